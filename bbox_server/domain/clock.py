# SPDX-License-Identifier: Apache-2.0
"""Time and identifiers, as ports: the core has neither."""

from typing import Protocol

from bbox_server.domain.session import SessionId


class Clock(Protocol):
    """Both clocks of the machine."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...


class IdSource(Protocol):
    """Randomness that nobody can guess."""

    def session_id(self) -> SessionId:
        """Eight lower-case hexadecimal digits (compat CLI-10)."""
        ...

    def token(self) -> str:
        """A secret for one run, at least 128 bits, URL-safe."""
        ...
