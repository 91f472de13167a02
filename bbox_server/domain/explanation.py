# SPDX-License-Identifier: Apache-2.0
"""Why a path is in the guest or not, and what becomes of a change there."""

from dataclasses import dataclass
from typing import Protocol

from bbox_server.domain.excludes import Hidden
from bbox_server.domain.workspace import WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What the rules say of one path.

    Attributes:
        hidden: Keeps the path out of the guest.
        withheld: Keeps a change that the agent makes there out of the workspace; `hidden` too.
        tracked: git tracks the path, or something below it: a performance directory then hides
            neither (P-08).
    """

    path: WorkspacePath
    hidden: Hidden | None = None
    withheld: Hidden | None = None
    tracked: bool = False


class WorkspacePaths(Protocol):
    """A workspace, as far as a rule must know it. Nothing is followed. Blocking."""

    def is_directory(self, path: WorkspacePath) -> bool:
        """Whether there is a directory now."""
        ...

    def ignore_file(self, path: WorkspacePath) -> bytes | None:
        """The content of a regular file of reasonable size; None when there is none."""
        ...

    def is_tracked(self, path: WorkspacePath, *, is_directory: bool) -> bool:
        """Whether git has a path in its index, or something below it.

        Raises: dependency.missing.
        """
        ...
