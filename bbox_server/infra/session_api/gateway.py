# SPDX-License-Identifier: Apache-2.0
"""Connections to session hosts over their sockets."""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import Notice, SessionConnection, SessionGateway
from bbox_server.domain.session import SessionId
from bbox_server.infra.process.detached import launch_detached
from bbox_server.infra.session_api.place import HostPlace
from bbox_server.wire.lifecycle import PROTOCOL_VERSION, InitializeParams
from bbox_server.wire.peer import Peer, RpcCode, RpcError

HOST_LOG: Final = "host.log"
SESSION_ID: Final = re.compile("[0-9a-f]{8}")
NOTICES_LIMIT: Final = 256
"""Notices that wait for their reader; then the host waits."""

READ_LIMIT_BYTES: Final = 1 << 16
START_TIMEOUT_S: Final = 30
_HOST: Final = "from bbox_server.bootstrap.commands import session_host; session_host()"


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketGateway(SessionGateway):
    """Hosts on this machine.

    Attributes:
        state: Where sessions are kept.
        runtime: Where their sockets are.
        environ: What a host is started with: the keys and variables of this process's user.
        program: Python that is the host; the session and its socket are the arguments.
    """

    state: Path
    runtime: Path
    environ: Mapping[str, str] = field(repr=False)
    new_session: Callable[[], SessionId]
    program: str = _HOST

    @override
    @asynccontextmanager
    async def start(self) -> AsyncIterator[SessionConnection]:
        session = self.new_session()
        (self.state / "sessions" / session).mkdir(mode=0o711, parents=True, exist_ok=True)
        async with self._connected(session) as connection:
            yield connection

    @override
    @asynccontextmanager
    async def connect(self, session: SessionId) -> AsyncIterator[SessionConnection]:
        is_name = SESSION_ID.fullmatch(session) is not None
        if not is_name or not (self.state / "sessions" / session / "record.json").is_file():
            raise BboxError(
                ErrorCode.SESSION_UNKNOWN,
                cause=f"There is no session {session[:32]!r}.",
                remediation="`bbox sessions` lists them.",
            )
        async with self._connected(session) as connection:
            yield connection

    @asynccontextmanager
    async def _connected(self, session: SessionId) -> AsyncIterator[SessionConnection]:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._greeted(session))
            except BboxError as error:
                if error.code is not ErrorCode.SESSION_HOST_FAILED:
                    raise
                # A host that was killed may still listen while the kernel takes it apart.
                connection = await stack.enter_async_context(self._greeted(session))
            yield connection

    @asynccontextmanager
    async def _greeted(self, session: SessionId) -> AsyncIterator[SessionConnection]:
        place = HostPlace(runtime=self.runtime, session=session)
        async with place.locked():
            client = place.connect() or self._launch(place)
        reader, writer = await asyncio.open_unix_connection(sock=client, limit=READ_LIMIT_BYTES)
        connection = _Connection(session, reader, writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(connection.serve())
                async with asyncio.timeout(START_TIMEOUT_S):
                    await self._greet(connection, session)
                try:
                    yield connection
                finally:
                    serving.cancel()
        except TimeoutError as error:
            raise self._failed(session, "it does not answer") from error
        except BaseExceptionGroup as group:
            # One thing failed, in the body; the task group has no other that could.
            raise group.exceptions[0] from None
        finally:
            writer.close()

    async def _greet(self, connection: "_Connection", session: SessionId) -> None:
        params = InitializeParams(protocol_version=PROTOCOL_VERSION).to_object()
        try:
            await connection.request("initialize", params)
        except BboxError as error:
            if error.code is not ErrorCode.SESSION_HOST_FAILED:
                raise
            raise self._failed(session, "it ended at once") from error

    def _launch(self, place: HostPlace) -> socket.socket:
        listener = place.listen()
        log = self.state / "sessions" / place.session / HOST_LOG
        log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        words = ("-I", "-c", self.program, place.session, str(listener.fileno()))
        try:
            launch_detached(
                (sys.executable, *words),
                env=self.environ,
                log_fd=log_fd,
                pass_fds=(listener.fileno(),),
            )
            client = place.connect()
        finally:
            os.close(log_fd)
            listener.close()
        assert client is not None  # noqa: S101 (the socket is ours, and listens)
        return client

    def _failed(self, session: SessionId, cause: str) -> BboxError:
        return BboxError(
            ErrorCode.SESSION_HOST_FAILED,
            cause=f"The host of session {session} could not be used: {cause}.",
            remediation=f"See {self.state / 'sessions' / session / HOST_LOG}, then try again.",
        )


class _Connection(SessionConnection):
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

    async def serve(self) -> None:
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
