# SPDX-License-Identifier: Apache-2.0
"""All of git's ignore files, as they apply in one directory (gitignore(5); compat P-68)."""

from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.excludes import Hidden, HideTier, IgnoreFileReader, PatternLine
from bbox_server.infra.excludes.reader import lines_of
from bbox_server.infra.excludes.ruleset import PATTERN_LIMIT, Ruleset

GITIGNORE: Final = ".gitignore"
FILE_LIMIT: Final = 64
"""Nested files that may have a say at one place; more is no project's, but somebody's attack."""


class GitIgnores:
    """The root's rules and the files on the way to a directory: the nearest that matches decides.

    A file that can't be used counts as absent: it could only withhold what is shown without it.
    """

    __slots__ = ("_path", "_read", "_rulesets")

    def __init__(
        self, rulesets: tuple[Ruleset, ...], read: IgnoreFileReader, path: str = ""
    ) -> None:
        self._rulesets = rulesets
        self._read = read
        self._path = path

    def hidden(self, name: str, *, is_directory: bool) -> Hidden | None:
        """What hides an entry of this directory."""
        for rules in self._rulesets:
            decision = rules.decide(name, is_directory=is_directory)
            if decision is not None:
                return decision.hidden
        return None

    def below(self, name: str) -> "GitIgnores":
        """The rules in a directory of this one."""
        path = f"{self._path}/{name}" if self._path else name
        outer = tuple(rules.below(name) for rules in self._rulesets)
        lines = self._lines(f"{path}/{GITIGNORE}") if len(outer) < FILE_LIMIT else ()
        own = (gitignore_rules(lines),) if lines else ()
        return GitIgnores((*own, *outer), self._read, path)

    def _lines(self, path: str) -> tuple[PatternLine, ...]:
        content = self._read(PurePosixPath(path))
        lines = () if content is None else gitignore_lines(lines_of(content), path)
        return lines if len(lines) <= PATTERN_LIMIT else ()


def gitignore_rules(lines: tuple[PatternLine, ...]) -> Ruleset:
    """The rules of one file."""
    return Ruleset([(HideTier.GITIGNORE, line) for line in lines])


def gitignore_lines(lines: tuple[str, ...], source: str) -> tuple[PatternLine, ...]:
    """The patterns among the lines of a file; git keeps leading blanks."""
    return tuple(
        PatternLine(text=line, source=source, number=number)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
