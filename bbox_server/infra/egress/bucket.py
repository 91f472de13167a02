# SPDX-License-Identifier: Apache-2.0
"""Rates and amounts that the guest can't exceed."""

from typing import Final

ENTRY_BYTES: Final = 160
"""What a piece of data costs beyond its bytes: objects and their place in a queue."""


class TokenBucket:
    """Allows `rate` a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Budget:
    """Bytes that all connections hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held = 0

    @property
    def left(self) -> int:
        """How many more bytes may be held."""
        return max(0, self._limit_bytes - self._held)

    def hold(self, count: int) -> None:
        """Count bytes in; negative counts them out."""
        self._held += count
