# SPDX-License-Identifier: Apache-2.0
"""Reads what the proxy's process says."""

import asyncio
import json
import os

from bbox_server.domain.credential import CredentialUse
from bbox_server.domain.session import EventKind, SessionObserver


class AuditReader:
    """Turns the process's lines into events while the loop runs.

    A callback of the loop and no task: leaving the context that owns it needs no waiting.
    """

    def __init__(self, fd: int, observer: SessionObserver) -> None:
        """Take over the reading end of the process's standard output."""
        os.set_blocking(fd, False)
        self._fd = fd
        self._observer = observer
        self._partial = b""
        self._is_ready = False
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(fd, self._read)

    async def ready(self) -> bool:
        """Wait for the first line; False if the process ended before it."""
        await self._changed.wait()
        return self._is_ready

    def close(self) -> None:
        """Take what is there still, then stop; repeatable."""
        if self._fd >= 0:
            self._read()
        self._end()

    def _read(self) -> None:
        while self._fd >= 0:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return
            if not data:
                self._end()
                return
            *lines, self._partial = (self._partial + data).split(b"\n")
            for line in lines:
                self._take(line)

    def _end(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
        self._changed.set()

    def _take(self, line: bytes) -> None:
        if not self._is_ready:
            self._is_ready = True
            self._changed.set()
            return
        use = CredentialUse(**json.loads(line))
        self._observer.event(EventKind.CREDENTIAL_USED, use.fields())
