# SPDX-License-Identifier: Apache-2.0
"""Session hosts in memory: they answer with the examples of the wire."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import Notice, SessionConnection, SessionGateway
from bbox_server.domain.session import SessionId
from bbox_server.wire.method import METHODS, NOTIFICATIONS

SESSION = SessionId("3f9a1c07")
LARGE = "large"
LARGE_BYTES = 4 << 20
"""A file whose content weighs."""


class FakeConnection(SessionConnection):
    """Remembers what was asked; a subscription is answered with every notification."""

    def __init__(self, session: SessionId) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []
        self._session = session
        self._notices: asyncio.Queue[Notice] = asyncio.Queue()

    @property
    @override
    def session(self) -> SessionId:
        return self._session

    @override
    async def request(self, method: str, params: Mapping[str, object]) -> dict[str, object]:
        self.asked.append((method, dict(params)))
        if method == "bbox/subscribe":
            for notification in NOTIFICATIONS:
                notice = Notice(method=notification.name, params=notification.sent)
                self._notices.put_nowait(notice)
        if method == "bbox/flush/undo":
            raise BboxError(
                ErrorCode.FLUSH_UNKNOWN, cause="Nothing was flushed.", remediation="Flush first."
            )
        if method == "bbox/sessions/stop":
            await asyncio.sleep(3600)
        answered = dict(next(item.answered for item in METHODS if item.name == method))
        if method == "bbox/file/read" and params.get("path") == LARGE:
            return {**answered, "data": "A" * LARGE_BYTES, "size": LARGE_BYTES}
        return answered

    @override
    async def notices(self) -> AsyncIterator[Notice]:
        while True:
            yield await self._notices.get()


@dataclass
class FakeGateway(SessionGateway):
    """One session that there is, and new ones."""

    connections: list[FakeConnection] = field(default_factory=list)

    @override
    @asynccontextmanager
    async def start(self) -> AsyncIterator[SessionConnection]:
        yield self._connection(SESSION)

    @override
    @asynccontextmanager
    async def connect(self, session: SessionId) -> AsyncIterator[SessionConnection]:
        if session != SESSION:
            raise BboxError(
                ErrorCode.SESSION_UNKNOWN,
                cause=f"There is no session {session!r}.",
                remediation="Look at the list.",
            )
        yield self._connection(session)

    def _connection(self, session: SessionId) -> FakeConnection:
        self.connections.append(FakeConnection(session))
        return self.connections[-1]
