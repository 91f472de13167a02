# SPDX-License-Identifier: Apache-2.0
"""What a workspace holds at one moment, in the shape that is fast to compare.

Tens of thousands of entries are walked at every start: one tuple each, grouped by directory, so
that two states compare in C, and no path objects.
"""

import stat
from bisect import bisect_left
from dataclasses import dataclass, field

Row = tuple[str, int, int, int, int, int]
"""Name, st_mode, size, mtime and ctime in ns, inode. Of directories only the mode counts."""

_TYPE = 0o170000


def is_file(mode: int) -> bool:
    """Whether a row is a regular file."""
    return mode & _TYPE == stat.S_IFREG


def is_directory(mode: int) -> bool:
    """Whether a row is a directory."""
    return mode & _TYPE == stat.S_IFDIR


def is_link(mode: int) -> bool:
    """Whether a row is a symbolic link."""
    return mode & _TYPE == stat.S_IFLNK


def joined(directory: str, name: str) -> str:
    """The path of an entry; the root is the empty string."""
    return f"{directory}/{name}" if directory else name


@dataclass(slots=True)
class Tree:
    """Entries by directory; directories come after the one that they lie in.

    Attributes:
        rows: Of each directory, sorted by name.
        links: What symbolic links say, by path.
        absent: Files that could not be read, by path, with the reason: in no generation.
        skip_worktree: By git directory, tracked paths that are left out on purpose.
        git_directories: Paths of what git takes for a repository.
        sources: SHA-256 in the workspace of files that differ in the generation, by path.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    skip_worktree: dict[str, list[str]] = field(default_factory=dict)
    git_directories: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def row(self, path: str) -> Row | None:
        """The row of a path."""
        directory, _, name = path.rpartition("/")
        rows = self.rows.get(directory, [])
        index = bisect_left(rows, (name,))
        return rows[index] if index < len(rows) and rows[index][0] == name else None

    def find(self, path: str) -> Row | None:
        """The row of a path that is in the generation."""
        return None if path in self.absent else self.row(path)

    def below(self, directory: str) -> list[str]:
        """All paths below a directory, those in it first."""
        found: list[str] = []
        pending = [directory]
        while pending:
            current = pending.pop()
            for row in self.rows.get(current, ()):
                path = joined(current, row[0])
                if path in self.absent:
                    continue
                found.append(path)
                if is_directory(row[1]):
                    pending.append(path)
        return found

    def holds_same_as(self, other: "Tree") -> bool:
        """Whether both have the same entries, of the same content as far as one can see."""
        return (
            self.rows == other.rows
            and self.links == other.links
            and self.absent == other.absent
            and self.skip_worktree == other.skip_worktree
        )
