# SPDX-License-Identifier: Apache-2.0
"""Connections to session hosts over their sockets."""

import asyncio
import os
import re
import socket
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import SessionConnection, SessionGateway, StartingHost
from bbox_server.domain.session import SessionId
from bbox_server.infra.process.detached import launch_detached
from bbox_server.infra.session_api.place import HostPlace

HOST_LOG: Final = "host.log"
SESSION_ID: Final = re.compile("[0-9a-f]{8}")
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
    def start(self) -> StartingHost:
        session = self.new_session()
        (self.state / "sessions" / session).mkdir(mode=0o711, parents=True, exist_ok=True)
        place = HostPlace(runtime=self.runtime, session=session)
        # Nobody else knows of the session, so its lock needs no holding.
        place.make()
        client = self._launch(place)
        starting = self._connected(session, client)
        # Its host ends with the connection, also where nobody enters the context.
        weakref.finalize(starting, client.close)
        return starting

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
    async def _connected(
        self, session: SessionId, client: socket.socket | None = None
    ) -> AsyncIterator[SessionConnection]:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._greeted(session, client))
            except BboxError as error:
                if error.code is not ErrorCode.SESSION_HOST_FAILED:
                    raise
                # A host that was killed may still listen while the kernel takes it apart.
                connection = await stack.enter_async_context(self._greeted(session))
            yield connection

    @asynccontextmanager
    async def _greeted(
        self, session: SessionId, client: socket.socket | None = None
    ) -> AsyncIterator[SessionConnection]:
        if client is None:
            place = HostPlace(runtime=self.runtime, session=session)
            async with place.locked():
                client = place.connect() or self._launch(place)
        # pydantic takes a third of a second, in which a host that was launched loads too.
        from bbox_server.infra.session_api.connection import HostConnection

        reader, writer = await asyncio.open_unix_connection(sock=client, limit=READ_LIMIT_BYTES)
        connection = HostConnection(session, reader, writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(connection.serve())
                async with asyncio.timeout(START_TIMEOUT_S):
                    await self._until_answered(connection.greet(), session)
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

    async def _until_answered(self, greeting: Awaitable[None], session: SessionId) -> None:
        try:
            await greeting
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
