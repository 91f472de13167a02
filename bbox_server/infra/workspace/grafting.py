# SPDX-License-Identifier: Apache-2.0
"""A git directory outside the workspace, put in the place of the `.git` file that names it.

The guest finds an ordinary repository: what a linked worktree has alone and what it shares lie in
one directory, without the other worktrees (gitrepository-layout(5), git-worktree(1)).
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.infra.workspace.git_layout import GIT_NAME, GitZone, is_dropped
from bbox_server.infra.workspace.limits import WALK_LIMITS
from bbox_server.infra.workspace.linked_git import LinkedGit
from bbox_server.infra.workspace.tree import is_directory, is_file, joined
from bbox_server.infra.workspace.walk import WalkResult, row_of

_DIRECTORY_MODE: Final = 0o040755

_SHARED: Final = frozenset(
    {"config", "description", "info", "logs", "objects", "packed-refs", "refs", "shallow"}
)
# Of each worktree alone, although they lie in directories that are shared (path.c, common_list).
_OWN_BELOW_SHARED: Final = frozenset(
    {"logs/HEAD", "info/sparse-checkout", "refs/bisect", "refs/rewritten", "refs/worktree"}
    | {"logs/refs/bisect", "logs/refs/rewritten", "logs/refs/worktree"}
)
# Links between the two directories, and submodules, whose `.git` files are grafted by themselves.
_NOT_OWN: Final = frozenset({"commondir", "gitdir", "locked", "modules", "worktrees"})


@dataclass(slots=True)
class Graft:
    """One repository on its way into a walk's result.

    Attributes:
        work_tree: Path of the directory whose `.git` it becomes.
        count: Told the entries of each directory; may raise.
    """

    result: WalkResult
    work_tree: str
    linked: LinkedGit
    count: Callable[[int], None]
    _pending: list[str] = field(default_factory=lambda: [""])

    def run(self) -> None:
        """Replace the file's row by a directory's, and add all that is in it.

        Raises: OSError, where a directory can't be listed; BboxError, what `count` raises.
        """
        rows = self.result.tree.rows[self.work_tree]
        place = next((index for index, row in enumerate(rows) if row[0] == GIT_NAME), None)
        if place is None:
            return
        rows[place] = (GIT_NAME, _DIRECTORY_MODE, 0, 0, 0, 0)
        while self._pending:
            self._list(self._pending.pop())
        self.result.tree.git_directories.append(self._path(""))

    def _list(self, inner: str) -> None:
        """Both directories' entries; the worktree's own stand for shared ones of the name."""
        path = self._path(inner)
        if inner.count("/") >= WALK_LIMITS.depth:
            raise OSError(0, "too many directories in one another", path)
        found = {entry.name: entry for entry in self._entries(inner)}
        self.count(len(found))
        rows = self.result.tree.rows[path] = []
        for name, entry in sorted(found.items()):
            status = entry.stat(follow_symlinks=False)
            if is_directory(status.st_mode):
                rows.append((name, status.st_mode, 0, 0, 0, 0))
                self._pending.append(joined(inner, name))
            elif is_file(status.st_mode):
                rows.append(row_of(name, status))
                self.result.origins[joined(path, name)] = entry.path
        zone = _zone(inner)
        if zone is not None:
            self.result.zones[path] = zone

    def _entries(self, inner: str) -> Iterator[os.DirEntry[str]]:
        if self.linked.is_worktree:
            for entry in _scan(self.linked.common / inner):
                if self._is_shared(joined(inner, entry.name)):
                    yield entry
        for entry in _scan(self.linked.own / inner):
            is_inner = entry.is_dir(follow_symlinks=False)
            is_kept = inner or not (
                entry.name in _NOT_OWN or is_dropped(entry.name, is_directory=is_inner)
            )
            if is_kept:
                yield entry

    def _is_shared(self, inner: str) -> bool:
        top = inner.partition("/")[0]
        return top in _SHARED and inner not in _OWN_BELOW_SHARED

    def _path(self, inner: str) -> str:
        git_dir = joined(self.work_tree, GIT_NAME)
        return joined(git_dir, inner) if inner else git_dir


def _scan(directory: Path) -> list[os.DirEntry[str]]:
    try:
        # A link would be followed: it could lead to any directory of the user's.
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return []
    os.close(fd)
    with os.scandir(directory) as listing:
        return list(listing)


def _zone(inner: str) -> GitZone | None:
    if not inner:
        return GitZone.LINKED
    return GitZone.LOGS if inner.partition("/")[0] == "logs" else None
