# SPDX-License-Identifier: Apache-2.0
"""The host's process: from its listening socket to its end."""

import asyncio
import logging
import os
import signal
import socket
import struct
from collections.abc import Callable
from typing import Final

from bbox_server.entrypoints.session_host.client import HostClient
from bbox_server.entrypoints.session_host.host import Host
from bbox_server.entrypoints.session_host.services import HostServices

READ_LIMIT_BYTES: Final = 1 << 16
FIRST_CLIENT_S: Final = 20.0
# A client that goes to come back at once (one command after another, each of which loads for half a
# second) finds the same host.
LINGER_S: Final = 1.0
# Turns of the loop in which a connection that waits is accepted.
ACCEPT_TURNS: Final = 20

log = logging.getLogger(__name__)


def main(services: Callable[[], HostServices], listener: socket.socket) -> None:
    """Serve a session until nothing of it runs and nobody looks."""
    asyncio.run(_serve(services(), listener))


async def _serve(services: HostServices, listener: socket.socket) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (asyncio.run always has one)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    async with asyncio.TaskGroup() as tasks:
        host = Host(services, tasks)
        clients = _Clients(host, tasks)
        server = await asyncio.start_unix_server(
            clients.accept, sock=listener, limit=READ_LIMIT_BYTES
        )
        log.info("host.started", extra={"session_id": services.session})
        try:
            await clients.until_unused()
        finally:
            server.close()
            await host.close()
    log.info("host.ended", extra={"session_id": services.session})


class _Clients:
    """Who is connected."""

    def __init__(self, host: Host, tasks: asyncio.TaskGroup) -> None:
        self._host = host
        self._tasks = tasks
        self._connected = 0
        self._had_clients = False

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not _is_ours(writer.get_extra_info("socket")):
            writer.close()
            return
        self._connected += 1
        self._had_clients = True
        self._host.changed.set()
        self._tasks.create_task(self._serve(reader, writer))

    async def until_unused(self) -> None:
        """Return when nothing runs, nobody is connected, and nobody can be any more."""
        services = self._host.services
        while True:
            await self._until_idle()
            await self._host.close()
            async with services.ending():
                for _ in range(ACCEPT_TURNS):
                    await asyncio.sleep(0)
                if self._is_idle:
                    services.leave()
                    return

    @property
    def _is_idle(self) -> bool:
        return self._connected == 0 and not self._host.is_running

    async def _until_idle(self) -> None:
        while True:
            wait_s = LINGER_S if self._had_clients else FIRST_CLIENT_S
            self._host.changed.clear()
            try:
                async with asyncio.timeout(wait_s if self._is_idle else None):
                    await self._host.changed.wait()
            except TimeoutError:
                return

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await HostClient(self._host, reader, writer).serve()
        finally:
            self._connected -= 1
            self._host.changed.set()


def _is_ours(connection: socket.socket) -> bool:
    """Whether the peer is this user, or root (unix(7), SO_PEERCRED)."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", packed)
    return uid in {os.geteuid(), 0}
