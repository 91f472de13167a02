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
    PathMatcher,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes import matcher
from bbox_server.infra.excludes.reader import UnusableFileError, read_lines
from bbox_server.infra.excludes.ruleset import PATTERN_LIMIT

IGNORE_FILE: Final = ".broodboxignore"


class DiskExcludes(Excludes):
    """Reads `.broodboxignore` and the root `.gitignore`."""

    @override
    def load(self, workspace: HostPath, extra: tuple[str, ...]) -> ExcludeRules:
        lines = user_lines(_own_lines(workspace))
        kept, without_effect = effective(lines)
        gitignore, unusable = _gitignore_lines(workspace)
        if len(kept) + len(extra) > PATTERN_LIMIT:
            raise _invalid(f"There are more than {PATTERN_LIMIT} patterns.")
        return ExcludeRules(
            file_patterns=kept,
            extra_patterns=tuple(line for line in extra if line.strip()),
            gitignore_patterns=gitignore,
            warnings=(
                *(f"{IGNORE_FILE}: {line} has no effect" for line in without_effect),
                *unusable,
            ),
        )

    @override
    def snapshot_matcher(self, rules: ExcludeRules) -> PathMatcher:
        return matcher.snapshot_matcher(rules)

    @override
    def diff_matcher(self, rules: ExcludeRules) -> PathMatcher:
        return matcher.diff_matcher(rules)


def user_lines(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The patterns of a `.broodboxignore`, without blank lines and comments (compat EXC-09)."""
    stripped = (line.strip() for line in lines)
    return tuple(line for line in stripped if line and not line.startswith("#"))


def effective(lines: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines to use, and negations of security patterns, which nothing can negate (EXC-09)."""
    dropped = tuple(line for line in lines if line[:1] == "!" and line[1:] in SECURITY_PATTERNS)
    return tuple(line for line in lines if line not in dropped), dropped


def _own_lines(workspace: HostPath) -> tuple[str, ...]:
    # An ignore file that can't be read could have hidden something: there is no run without it.
    try:
        return read_lines(Path(workspace, IGNORE_FILE))
    except UnusableFileError as error:
        raise _invalid(f"{IGNORE_FILE}: {error}.") from error


def _gitignore_lines(workspace: HostPath) -> tuple[tuple[str, ...], tuple[str, ...]]:
    # It only withholds what would be shown otherwise; git, too, goes on without it.
    try:
        lines = read_lines(Path(workspace, ".gitignore"))
    except UnusableFileError as error:
        return (), (f".gitignore is not used: {error}",)
    if len(lines) > PATTERN_LIMIT:
        return (), (f".gitignore is not used: it has more than {PATTERN_LIMIT} lines",)
    return tuple(line for line in lines if line.strip() and not line.startswith("#")), ()


def _invalid(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.EXCLUDE_INVALID,
        cause=cause,
        remediation=f"Make {IGNORE_FILE} a regular text file that you can read.",
    )
