# SPDX-License-Identifier: Apache-2.0
"""A client's end of a connection to a session's host."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from typing_extensions import override

from bbox_server.domain.gateway import Notice, SessionConnection
from bbox_server.domain.session import SessionId
from bbox_server.wire.lifecycle import PROTOCOL_VERSION, InitializeParams
from bbox_server.wire.peer import Peer, RpcCode, RpcError

NOTICES_LIMIT: Final = 256
"""Notices that wait for their reader; then the host waits."""


class HostConnection(SessionConnection):
    """Requests to a host, and what it tells unasked."""

    def __init__(
        self, session: SessionId, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._session = session
        self._notices: asyncio.Queue[Notice | None] = asyncio.Queue(NOTICES_LIMIT)
        self._peer = Peer(reader, writer, handler=_refuse, listener=self._listen)

    @property
    @override
    def session(self) -> SessionId:
        return self._session

    @override
    async def request(self, method: str, params: Mapping[str, object]) -> dict[str, object]:
        return await self._peer.request(method, dict(params))

    @override
    async def notices(self) -> AsyncIterator[Notice]:
        while (notice := await self._notices.get()) is not None:
            yield notice

    async def greet(self) -> None:
        """Agree on a version. Raises: protocol.mismatch, session.host-failed."""
        params = InitializeParams(protocol_version=PROTOCOL_VERSION).to_object()
        await self.request("initialize", params)

    async def serve(self) -> None:
        """Read what the host says, until it ends."""
        try:
            await self._peer.serve()
        finally:
            if self._notices.full():
                self._notices.get_nowait()
            self._notices.put_nowait(None)

    async def _listen(self, method: str, params: dict[str, object]) -> None:
        await self._notices.put(Notice(method=method, params=params))


async def _refuse(method: str, params: dict[str, object]) -> dict[str, object]:
    raise RpcError(RpcCode.METHOD_NOT_FOUND, f"a client answers nothing: {method}, {len(params)}")
