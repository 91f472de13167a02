# SPDX-License-Identifier: Apache-2.0
"""Connections to the hosts of the sessions that this editor uses."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from bbox_server.domain.error import BboxError
from bbox_server.domain.gateway import Notice, SessionConnection, SessionGateway
from bbox_server.domain.session import SessionId
from bbox_server.entrypoints.lsp.owned_tasks import OwnedTasks

log = logging.getLogger(__name__)

Forward = Callable[[Notice], Awaitable[None]]


class Hosts:
    """One connection a session, kept until its host ends or the editor does."""

    def __init__(
        self, gateway: Callable[[], SessionGateway], tasks: OwnedTasks, forward: Forward
    ) -> None:
        self._gateway = gateway
        self._tasks = tasks
        self._forward = forward
        self._open: dict[SessionId, asyncio.Future[SessionConnection]] = {}

    async def to(self, session: SessionId) -> SessionConnection:
        """The session's connection. Raises: as SessionGateway.connect."""
        if session not in self._open:
            opening = asyncio.get_running_loop().create_future()
            self._open[session] = opening
            self._follow(self._gateway().connect(session), opening)
        return await asyncio.shield(self._open[session])

    async def new(self) -> SessionConnection:
        """A new session's connection. Raises: session.host-failed."""
        opening: asyncio.Future[SessionConnection] = asyncio.get_running_loop().create_future()
        self._follow(self._gateway().start(), opening)
        connection = await asyncio.shield(opening)
        self._open[connection.session] = opening
        return connection

    def forget(self, session: SessionId) -> None:
        """A session's host is gone: who asks next gets another one."""
        self._open.pop(session, None)

    def _follow(
        self,
        context: AbstractAsyncContextManager[SessionConnection],
        opening: "asyncio.Future[SessionConnection]",
    ) -> None:
        self._tasks.start(self._carry(context, opening))

    async def _carry(
        self,
        context: AbstractAsyncContextManager[SessionConnection],
        opening: "asyncio.Future[SessionConnection]",
    ) -> None:
        try:
            async with context as connection:
                opening.set_result(connection)
                async for notice in connection.notices():
                    await self._forward(notice)
                self.forget(connection.session)
                lost = {"session": connection.session}
                await self._forward(Notice(method="bbox/session/lost", params=lost))
        except Exception as error:  # noqa: BLE001 (one session's defect is not the server's end)
            if not opening.done():
                opening.set_exception(error)
                opening.exception()  # looked at, also where nobody waits any more
            elif not isinstance(error, BboxError):
                log.warning("lsp.host-lost", extra={"error_type": type(error).__name__})
        finally:
            for session, future in tuple(self._open.items()):
                if future is opening:
                    del self._open[session]
