# SPDX-License-Identifier: Apache-2.0
"""What the index of a repository in the workspace names (compat P-08)."""

from bisect import bisect_left
from collections.abc import Callable

from bbox_server.infra.workspace.tree import joined


class TrackedFiles:
    """The tracked paths of one work tree, asked for when something in it is hidden.

    Attributes:
        git_dir: Where the index is in a generation; None when it isn't in one.
    """

    def __init__(
        self, *, base: str, git_dir: str | None, load: Callable[[], tuple[str, ...]]
    ) -> None:
        self.git_dir = git_dir
        self._base = base
        self._load = load
        self._paths: list[str] | None = None

    def contains(self, path: str) -> bool:
        """Whether a path, relative to the workspace, is in the index."""
        paths = self._sorted()
        index = bisect_left(paths, path)
        return index < len(paths) and paths[index] == path

    def below(self, directory: str) -> tuple[str, ...]:
        """All paths in the index that lie below a directory."""
        paths = self._sorted()
        prefix = f"{directory}/"
        first = bisect_left(paths, prefix)
        # "0" is the character after "/": nothing that starts with the prefix sorts behind it.
        return tuple(paths[first : bisect_left(paths, f"{directory}0", lo=first)])

    def relative(self, path: str) -> str:
        """A path as its index says it."""
        return path.removeprefix(f"{self._base}/") if self._base else path

    def _sorted(self) -> list[str]:
        if self._paths is None:
            # By code points, not by bytes as the index is: names that are no UTF-8 sort apart.
            self._paths = sorted(joined(self._base, path) for path in self._load())
        return self._paths
