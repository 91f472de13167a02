# SPDX-License-Identifier: Apache-2.0
"""A session's socket and its lock: RUNTIME/hosts/ID.sock and ID.lock."""

import asyncio
import fcntl
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.session import SessionId

BACKLOG: Final = 64
HOSTS: Final = "hosts"
# A client holds the lock for as long as it takes to connect, a host for as long as it ends.
LOCK_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlace:
    """Where clients find a session's host.

    Who holds the lock may connect, make the socket, or remove it: a client never meets a host
    that has decided to go.
    """

    runtime: Path
    session: SessionId

    @property
    def address(self) -> Path:
        """Where the host listens: in a directory that is closed to the sandbox uid too."""
        return self.runtime / HOSTS / f"{self.session}.sock"

    def make(self) -> None:
        """Make the directory of all hosts' sockets; harmless twice."""
        self.address.parent.mkdir(mode=0o700, exist_ok=True)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the lock."""
        self.make()
        path = self.address.with_suffix(".lock")
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            while not _try_lock(lock):  # noqa: ASYNC110 (another process has it)
                await asyncio.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(lock)

    def connect(self) -> socket.socket | None:
        """A connection, or None where nobody listens. Call it with the lock held."""
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            client.connect(str(self.address))
        except (FileNotFoundError, ConnectionRefusedError):
            client.close()
            return None
        client.settimeout(0)
        return client

    def listen(self) -> socket.socket:
        """A listening socket in the place of a dead one. Call it with the lock held."""
        self.remove()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            server.bind(str(self.address))
        finally:
            os.umask(mask)
        server.listen(BACKLOG)
        return server

    def remove(self) -> None:
        """Let nobody connect any more; harmless twice."""
        with suppress(FileNotFoundError):
            self.address.unlink()


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
