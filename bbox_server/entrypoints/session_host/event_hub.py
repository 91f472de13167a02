# SPDX-License-Identifier: Apache-2.0
"""A session's events for those who subscribed: from disk what is old, from memory what is new."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from bbox_server.domain.session import EventKind, SessionEvent

KEPT: Final = 1000

# What a list says better than its history. All else reaches even the slowest client.
CHATTY: Final = frozenset(
    {
        EventKind.CHANGES,
        EventKind.REVIEW,
        EventKind.NETWORK_OPEN,
        EventKind.NETWORK_CLOSE,
        EventKind.CREDENTIAL_USED,
        EventKind.RESOURCE,
    }
)


class EventHub:
    """Told of each event after it is on disk, in order."""

    def __init__(self, read: Callable[[], Iterable[SessionEvent]]) -> None:
        self._read = read
        self._recent: deque[SessionEvent] = deque(maxlen=KEPT)
        self._waiting: set[asyncio.Event] = set()

    async def follow(self, seq: int, send: Callable[[SessionEvent], Awaitable[None]]) -> None:
        """Send every event from a number on, without gap or repeat, until cancelled.

        A client that was slower than the session gets `resync` in the place of old chatter.
        """
        arrived = asyncio.Event()
        self._waiting.add(arrived)
        is_behind = False  # what is there at first is history that the client asked for
        try:
            while True:
                arrived.clear()
                for event in self._since(seq, is_behind=is_behind):
                    await send(event)
                    seq = event.seq + 1
                is_behind = True
                await arrived.wait()
        finally:
            self._waiting.discard(arrived)

    def _since(self, seq: int, *, is_behind: bool) -> list[SessionEvent]:
        if self._recent and self._recent[0].seq <= seq:
            return [event for event in self._recent if event.seq >= seq]
        missed = [event for event in self._read() if event.seq >= seq]
        return list(self._abridged(missed)) if is_behind else missed

    def _abridged(self, missed: list[SessionEvent]) -> Iterator[SessionEvent]:
        first = self._recent[0].seq if self._recent else 0
        left_out = [event for event in missed if event.seq < first and event.kind in CHATTY]
        last = left_out[-1] if left_out else None
        for event in missed:
            if event is last:
                fields = {"missed": len(left_out)}
                yield replace(event, kind=EventKind.RESYNC, fields=fields)
            elif event.seq >= first or event.kind not in CHATTY:
                yield event

    def keep(self, event: SessionEvent) -> None:
        """Take an event."""
        self._recent.append(event)
        for arrived in self._waiting:
            arrived.set()
