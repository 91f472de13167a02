# SPDX-License-Identifier: Apache-2.0
"""The workspace's own ignore files."""

from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import (
    SECURITY_PATTERNS,
    ExcludeRules,
    Excludes,
    IgnoreFileReader,
    PathMatcher,
    PatternLine,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes import matcher
from bbox_server.infra.excludes.gitignore import GITIGNORE, gitignore_lines
from bbox_server.infra.excludes.reader import UnusableFileError, read_lines
from bbox_server.infra.excludes.ruleset import PATTERN_LIMIT

IGNORE_FILE: Final = ".broodboxignore"
EXTRA_SOURCE: Final = "--exclude"
# Lines of the second come after those of the first, as git has it: a later one decides.
GIT_FILES: Final = (".git/info/exclude", GITIGNORE)


class DiskExcludes(Excludes):
    """Reads `.broodboxignore`, the root `.gitignore` and `.git/info/exclude`."""

    @override
    def load(self, workspace: HostPath, extra: tuple[str, ...]) -> ExcludeRules:
        lines = user_lines(_own_lines(workspace), IGNORE_FILE)
        kept, without_effect = effective(lines)
        gitignore, unusable = _git_lines(workspace)
        if len(kept) + len(extra) > PATTERN_LIMIT:
            raise _invalid(f"There are more than {PATTERN_LIMIT} patterns.")
        return ExcludeRules(
            file_patterns=kept,
            extra_patterns=tuple(
                PatternLine(text=line, source=EXTRA_SOURCE) for line in extra if line.strip()
            ),
            gitignore_patterns=gitignore,
            warnings=(
                *(f"{line.source}: {line.text} has no effect" for line in without_effect),
                *unusable,
            ),
        )

    @override
    def snapshot_matcher(self, rules: ExcludeRules) -> PathMatcher:
        return matcher.snapshot_matcher(rules)

    @override
    def diff_matcher(self, rules: ExcludeRules, ignore_files: IgnoreFileReader) -> PathMatcher:
        return matcher.diff_matcher(rules, ignore_files)


def user_lines(lines: tuple[str, ...], source: str = "") -> tuple[PatternLine, ...]:
    """The patterns of a `.broodboxignore`, without blank lines and comments (compat EXC-09)."""
    stripped = enumerate((line.strip() for line in lines), start=1)
    return tuple(
        PatternLine(text=text, source=source, number=number)
        for number, text in stripped
        if text and not text.startswith("#")
    )


def effective(
    lines: tuple[PatternLine, ...],
) -> tuple[tuple[PatternLine, ...], tuple[PatternLine, ...]]:
    """Lines to use, and negations of security patterns, which nothing can negate (EXC-09)."""
    dropped = tuple(
        line for line in lines if line.text[:1] == "!" and line.text[1:] in SECURITY_PATTERNS
    )
    return tuple(line for line in lines if line not in dropped), dropped


def _own_lines(workspace: HostPath) -> tuple[str, ...]:
    # An ignore file that can't be read could have hidden something: there is no run without it.
    try:
        return read_lines(Path(workspace, IGNORE_FILE))
    except UnusableFileError as error:
        raise _invalid(f"{IGNORE_FILE}: {error}.") from error


def _git_lines(workspace: HostPath) -> tuple[tuple[PatternLine, ...], tuple[str, ...]]:
    """What git ignores from the root on, and which of its files can't be used.

    They only withhold what would be shown otherwise; git, too, goes on without them.
    """
    found: list[PatternLine] = []
    unusable = []
    for name in GIT_FILES:
        try:
            lines = read_lines(Path(workspace, name))
        except UnusableFileError as error:
            unusable.append(f"{name} is not used: {error}")
            continue
        if len(lines) > PATTERN_LIMIT:
            unusable.append(f"{name} is not used: it has more than {PATTERN_LIMIT} lines")
            continue
        found += gitignore_lines(lines, name)
    return tuple(found), tuple(unusable)


def _invalid(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.EXCLUDE_INVALID,
        cause=cause,
        remediation=f"Make {IGNORE_FILE} a regular text file that you can read.",
    )
