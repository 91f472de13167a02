# SPDX-License-Identifier: Apache-2.0
"""Which changes are withheld, and which directory stands for them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.change import WithheldReason
from bbox_server.domain.excludes import Hidden, HideTier, PathMatcher
from bbox_server.domain.sensitive import fold
from bbox_server.infra.workspace.tracked import TrackedFiles
from bbox_server.infra.workspace.tree import Tree, is_directory, joined
from bbox_server.infra.workspace.upper import Descent

_GIT_NAMES: Final = frozenset({".git", "git~1"})
_GIT_MARKERS: Final = frozenset(
    {"head", "objects", "refs", "commondir", "config", "config.worktree", "hooks", "packed-refs"}
)

_REASONS: Final = {
    HideTier.SECURITY: WithheldReason.SECRET,
    HideTier.GIT_INTERNAL: WithheldReason.GIT_INTERNAL,
    HideTier.PERFORMANCE: WithheldReason.EXCLUDED,
    HideTier.USER: WithheldReason.EXCLUDED,
    HideTier.GITIGNORE: WithheldReason.EXCLUDED,
}


@dataclass(frozen=True, slots=True)
class Withheld:
    """Why, and the directory that is listed for all that is withheld in it (or the path itself)."""

    reason: WithheldReason
    top: str


@dataclass(slots=True)
class _Place:
    matcher: PathMatcher | None
    withheld: Withheld | None


class Withholding:
    """Decides path by path, and remembers directories."""

    def __init__(
        self, matcher: PathMatcher, baseline: Tree, find_tracked: Callable[[str], TrackedFiles]
    ) -> None:
        """Start at the root.

        Args:
            matcher: The diff's.
            baseline: What the agent was given: its paths are hidden by no later decision (P-00).
            find_tracked: The index of the repository whose `.git` is in a directory.
        """
        self._baseline = baseline
        self._find_tracked = find_tracked
        self._indexes: dict[str, TrackedFiles] = {}
        self._git_directories = set(baseline.git_directories)
        self._root_is_git = False
        self._places: dict[str, _Place] = {"": _Place(matcher, None)}

    def descend(self, path: str, names: list[str]) -> Descent:
        """Whether the entries of a directory of the agent's are looked at one by one."""
        here = self._baseline.rows.get(path, ())
        if _is_git_shaped([*names, *(row[0] for row in here)]):
            self._git_directories.add(path)
            self._root_is_git = self._root_is_git or not path
        withheld = self._place(path).withheld
        if withheld is None:
            return Descent.LIST
        # What git tracks in an ignored directory is not withheld, so that it must be told apart.
        is_told_apart = withheld.reason is WithheldReason.EXCLUDED and path in self._baseline.rows
        return Descent.LIST if is_told_apart else Descent.COUNT

    def of(self, path: str, *, is_inner: bool) -> Withheld | None:
        """Why a path is withheld, if it is."""
        if is_inner:
            return self._place(path).withheld
        directory, _, name = path.rpartition("/")
        place = self._place(directory)
        if place.withheld is not None:
            return None if self._is_given(path, place.withheld.reason) else place.withheld
        return self._own(place, path, name, is_inner=False)

    def _place(self, path: str) -> _Place:
        known = self._places.get(path)
        if known is not None:
            return known
        missing = [path]
        while (parent := missing[-1].rpartition("/")[0]) not in self._places:
            missing.append(parent)
        for directory in reversed(missing):
            self._places[directory] = self._enter(directory)
        return self._places[path]

    def _enter(self, path: str) -> _Place:
        parent, _, name = path.rpartition("/")
        above = self._places[parent]
        if above.withheld is not None or above.matcher is None:
            return above
        withheld = self._own(above, path, name, is_inner=True)
        return _Place(above.matcher.below(name), withheld)

    def _own(self, place: _Place, path: str, name: str, *, is_inner: bool) -> Withheld | None:
        if self._is_git(path, name, is_inner=is_inner):
            return Withheld(WithheldReason.GIT_INTERNAL, path)
        hidden = (
            None if place.matcher is None else place.matcher.hidden(name, is_directory=is_inner)
        )
        if hidden is None or self._is_shown_all_the_same(hidden, path, is_inner=is_inner):
            return None
        return Withheld(_REASONS[hidden.tier], path)

    def _is_git(self, path: str, name: str, *, is_inner: bool) -> bool:
        folded = fold(name)
        if folded in _GIT_NAMES or (is_inner and path in self._git_directories):
            return True
        return self._root_is_git and path == name and folded in _GIT_MARKERS

    def _is_shown_all_the_same(self, hidden: Hidden, path: str, *, is_inner: bool) -> bool:
        if is_inner:
            # A performance directory is in the baseline for what git tracks in it: new files
            # there are ordinary, as they are for git (P-08).
            return hidden.tier is HideTier.PERFORMANCE and path in self._baseline.rows
        return self._is_given(path, _REASONS[hidden.tier])

    def _is_given(self, path: str, reason: WithheldReason) -> bool:
        """Whether a hidden file is one that the agent was given and that git tracks."""
        if reason is not WithheldReason.EXCLUDED:
            return False
        row = self._baseline.find(path)
        return row is not None and not is_directory(row[1]) and self._is_tracked(path)

    def _is_tracked(self, path: str) -> bool:
        directory = path
        while directory:
            directory = directory.rpartition("/")[0]
            if joined(directory, ".git") in self._git_directories:
                index = self._indexes.get(directory)
                if index is None:
                    index = self._indexes[directory] = self._find_tracked(directory)
                return index.contains(path)
        return False


def _is_git_shaped(names: Iterable[str]) -> bool:
    """Whether git, on a file system that folds names, takes the directory for a repository."""
    folded = {fold(name) for name in names}
    return "head" in folded and ("commondir" in folded or {"objects", "refs"} <= folded)
