# SPDX-License-Identifier: Apache-2.0
"""How much one session may ask of its providers with the host's keys."""

from dataclasses import dataclass
from typing import Final

from bbox_server.domain.bytesize import format_mib

MAX_REQUESTS: Final = 1_000_000
MAX_DATA_MIB: Final = 1 << 20

_MINUTE_S: Final = 60.0
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLimits:
    """None is without a limit.

    Attributes:
        requests: In all.
        requests_per_minute: As many at once; then they come back one by one.
        data: MiB in all, both ways; a request that runs is finished.
    """

    requests: int | None = None
    requests_per_minute: int | None = None
    data: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverLimit:
    """Why a request is not passed on.

    Attributes:
        wait_s: When it may be tried again; None is never in this session.
    """

    text: str
    wait_s: float | None = None


@dataclass(slots=True, kw_only=True)
class KeyUse:
    """What a session has used of its limits. Times are seconds that never go back."""

    limits: KeyLimits
    requests: int = 0
    data_bytes: int = 0
    _burst: float = 0.0
    _last_s: float = 0.0

    def take(self, now_s: float) -> OverLimit | None:
        """Count a request, or say why it is one too many; then it is not counted."""
        over = self._spent() or self._too_fast(now_s)
        if over is None:
            self.requests += 1
            self._burst += 1
        return over

    def add(self, count: int) -> None:
        """Count bytes that have passed."""
        self.data_bytes += count

    def _spent(self) -> OverLimit | None:
        most, data = self.limits.requests, self.limits.data
        if most is not None and self.requests >= most:
            return OverLimit(text=f"The session's {most} requests (keys.requests) are used up.")
        if data is not None and self.data_bytes >= data * _MIB:
            return OverLimit(text=f"The session's {format_mib(data)} (keys.data) are used up.")
        return None

    def _too_fast(self, now_s: float) -> OverLimit | None:
        rate = self.limits.requests_per_minute
        if rate is None:
            return None
        given_back = max(0.0, now_s - self._last_s) * rate / _MINUTE_S
        self._burst, self._last_s = max(0.0, self._burst - given_back), now_s
        excess = self._burst + 1 - rate
        if excess <= 0:
            return None
        text = f"More than {rate} requests in a minute (keys.requests_per_minute)."
        return OverLimit(text=text, wait_s=excess * _MINUTE_S / rate)
