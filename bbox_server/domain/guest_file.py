# SPDX-License-Identifier: Apache-2.0
"""A file that the host gives to a guest."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFile:
    """A file that is in the guest before the agent starts.

    Attributes:
        path: Absolute in the guest, or relative to the home of the agent's user.
    """

    path: PurePosixPath
    content: bytes = field(repr=False)
    mode: int = 0o600
