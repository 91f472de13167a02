# SPDX-License-Identifier: Apache-2.0
"""Matchers for the snapshot and for the diff."""

from typing_extensions import override

from bbox_server.domain.excludes import (
    GIT_INTERNAL,
    PERFORMANCE_PATTERNS,
    SECURITY,
    ExcludeRules,
    Hidden,
    HideTier,
    IgnoreFileReader,
    PathMatcher,
    PatternLine,
    parents_below,
)
from bbox_server.infra.excludes.gitignore import GitIgnores, gitignore_rules
from bbox_server.infra.excludes.ruleset import Ruleset


class SnapshotMatcher(PathMatcher):
    """The security tier first, then performance directories and the user's patterns in order."""

    __slots__ = ("_parents", "_rules")

    def __init__(self, rules: Ruleset, parents: tuple[str, ...] = ()) -> None:
        self._rules = rules
        self._parents = parents

    @override
    def hidden(self, name: str, *, is_directory: bool) -> Hidden | None:
        secret = SECURITY.match(name, self._parents, is_directory=is_directory)
        if secret is not None:
            return Hidden(tier=HideTier.SECURITY, pattern=secret)
        return self._rules.hidden(name, is_directory=is_directory)

    @override
    def below(self, name: str) -> "SnapshotMatcher":
        return SnapshotMatcher(self._rules.below(name), parents_below(self._parents, name))


class DiffMatcher(PathMatcher):
    """What the snapshot hides, git's configuration and hooks, and what git ignores.

    The lists are apart, so that no line of a `.gitignore` shows what a snapshot left out (P-00).
    """

    __slots__ = ("_gitignore", "_parents", "_snapshot")

    def __init__(
        self, snapshot: SnapshotMatcher, gitignore: GitIgnores, parents: tuple[str, ...] = ()
    ) -> None:
        self._snapshot = snapshot
        self._gitignore = gitignore
        self._parents = parents

    @override
    def hidden(self, name: str, *, is_directory: bool) -> Hidden | None:
        found = self._snapshot.hidden(name, is_directory=is_directory)
        if found is not None and found.tier is not HideTier.PERFORMANCE:
            return found
        internal = GIT_INTERNAL.match(name, self._parents, is_directory=is_directory)
        if internal is not None:
            return Hidden(tier=HideTier.GIT_INTERNAL, pattern=internal)
        # Of a performance directory that git ignores as well, nothing new is shown, though the
        # snapshot has what git tracks in it: git's own word comes first.
        return self._gitignore.hidden(name, is_directory=is_directory) or found

    @override
    def below(self, name: str) -> "DiffMatcher":
        return DiffMatcher(
            self._snapshot.below(name),
            self._gitignore.below(name),
            parents_below(self._parents, name),
        )


def snapshot_matcher(rules: ExcludeRules) -> SnapshotMatcher:
    """The matcher of a workspace's root (EXC-04 to EXC-06)."""
    performance = [
        (HideTier.PERFORMANCE, PatternLine(text=pattern)) for pattern in PERFORMANCE_PATTERNS
    ]
    user = [(HideTier.USER, line) for line in (*rules.file_patterns, *rules.extra_patterns)]
    return SnapshotMatcher(Ruleset([*performance, *user]))


def diff_matcher(rules: ExcludeRules, ignore_files: IgnoreFileReader) -> DiffMatcher:
    """The matcher of a workspace's root (EXC-07, EXC-08)."""
    gitignore = GitIgnores((gitignore_rules(rules.gitignore_patterns),), ignore_files)
    return DiffMatcher(snapshot_matcher(rules), gitignore)
