# SPDX-License-Identifier: Apache-2.0
"""A session's events for those who subscribed: from disk what is old, from memory what is new."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from bbox_server.domain.session import SessionEvent

KEPT: Final = 1000


class EventHub:
    """Told of each event after it is on disk, in order."""

    def __init__(self, read: Callable[[], Iterable[SessionEvent]]) -> None:
        self._read = read
        self._recent: deque[SessionEvent] = deque(maxlen=KEPT)
        self._waiting: set[asyncio.Event] = set()

    async def follow(self, seq: int, send: Callable[[SessionEvent], Awaitable[None]]) -> None:
        """Send every event from a number on, without gap or repeat, until cancelled."""
        arrived = asyncio.Event()
        self._waiting.add(arrived)
        try:
            while True:
                arrived.clear()
                for event in self._since(seq):
                    await send(event)
                    seq = event.seq + 1
                await arrived.wait()
        finally:
            self._waiting.discard(arrived)

    def _since(self, seq: int) -> list[SessionEvent]:
        if self._recent and self._recent[0].seq <= seq:
            return [event for event in self._recent if event.seq >= seq]
        return [event for event in self._read() if event.seq >= seq]

    def keep(self, event: SessionEvent) -> None:
        """Take an event."""
        self._recent.append(event)
        for arrived in self._waiting:
            arrived.set()
