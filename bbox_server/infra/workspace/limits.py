# SPDX-License-Identifier: Apache-2.0
"""How much of a tree is looked at. Nothing that a guest makes may cost the host without bound."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLimits:
    """Bounds of a walk.

    Attributes:
        entries: Names seen in all, hidden ones excepted.
        depth: Directories in one another; one descriptor is open for each.
        path_bytes: Longer paths can't be named in a system call (PATH_MAX is 4096).
    """

    entries: int = 2_000_000
    depth: int = 256
    path_bytes: int = 3_800


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLimits:
    """Bounds of what is hashed and listed one by one.

    Attributes:
        file_bytes: Larger files are withheld: nobody reviews them, and they are read into memory.
        hashed_bytes: In all, for one change set; what comes after is withheld.
        bulk_files: A new directory with more files than that is one change.
    """

    file_bytes: int = 512 << 20
    hashed_bytes: int = 16 << 30
    bulk_files: int = 2_000


WALK_LIMITS: Final = TreeLimits()
CHANGE_LIMITS: Final = ChangeLimits()
