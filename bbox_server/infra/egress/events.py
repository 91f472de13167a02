# SPDX-License-Identifier: Apache-2.0
"""Events for the session host: few, however much the guest does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.infra.egress.bucket import TokenBucket

_REPEAT_S: Final = 5.0
_MAX_KEYS: Final = 256
_MAX_REACHED: Final = 1024
_RATE: Final = 50.0
_BURST: Final = 500.0

_Key = tuple[EgressEventKind, str, int, BlockReason | None]
_OTHER: Final[_Key] = (EgressEventKind.FLOOD, "", 0, None)


@dataclass(slots=True, kw_only=True)
class _Repeated:
    latest: EgressEvent
    told_at: float
    untold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Seconds since the epoch for what is shown, monotonic ones for what is measured."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


class EventLog:
    """Numbers events and tells them: repeated ones first at once, then every 5 s with a count.

    There are at most 256 kinds of repeated events, what is beyond is told as one. Events of
    single connections are told as they come, up to 50 a second, and the first to each place in any
    case: what is learned from them is complete. Gaps in the numbers show that some were not told.
    """

    def __init__(self, tell: Callable[[EgressEvent], None], clocks: Clocks) -> None:
        self._tell = tell
        self._clocks = clocks
        self._bucket = TokenBucket(_RATE, _BURST, clocks.monotonic())
        self._repeated: dict[_Key, _Repeated] = {}
        self._reached: set[tuple[str, int]] = set()
        self._number = 0

    def single(self, event: EgressEvent) -> None:
        """Tell of one connection."""
        self._number += 1
        is_due = self._bucket.take(self._clocks.monotonic())
        if self._is_first(event) or is_due:
            self._tell(self._stamped(event))

    def repeated(self, event: EgressEvent) -> None:
        """Tell of something that a guest can make happen any number of times."""
        key = (event.kind, event.host or event.address, event.port, event.reason)
        if key not in self._repeated and len(self._repeated) >= _MAX_KEYS:
            key = _OTHER
            event = replace(event, kind=EgressEventKind.FLOOD, host=None, address="", port=0)
        entry = self._repeated.get(key)
        if entry is None:
            first = replace(event, first_at=self._clocks.wall())
            entry = _Repeated(latest=first, told_at=float("-inf"), untold=0)
            self._repeated[key] = entry
        entry.untold += 1
        entry.latest = replace(event, first_at=entry.latest.first_at)
        self._tell_if_due(entry)

    def _is_first(self, event: EgressEvent) -> bool:
        """Whether it is a place that was not reached before: each is told, up to 1024."""
        place = (event.host or event.address, event.port)
        is_first = event.kind is EgressEventKind.OPEN and place not in self._reached
        if not is_first or len(self._reached) >= _MAX_REACHED:
            return False
        self._reached.add(place)
        return True

    def tick(self) -> None:
        """Tell what has become due."""
        for entry in self._repeated.values():
            if entry.untold:
                self._tell_if_due(entry)

    def flush(self) -> None:
        """Tell what was held back, due or not: the guest is gone."""
        for entry in self._repeated.values():
            if entry.untold:
                self._tell_now(entry)

    def _tell_if_due(self, entry: _Repeated) -> None:
        if self._clocks.monotonic() - entry.told_at >= _REPEAT_S:
            self._tell_now(entry)

    def _tell_now(self, entry: _Repeated) -> None:
        self._number += 1
        self._tell(replace(self._stamped(entry.latest), count=entry.untold))
        entry.told_at, entry.untold = self._clocks.monotonic(), 0

    def _stamped(self, event: EgressEvent) -> EgressEvent:
        return replace(event, id=self._number, at=self._clocks.wall())
