# SPDX-License-Identifier: Apache-2.0
"""The SSH channel: a serial port, on which READY and GO mark where a connection begins."""

import os
from pathlib import Path
from typing import Final

from bbox_server.domain.vm import OwnedFd
from bbox_server.infra.process.descriptors import readable
from bbox_server.infra.qemu.control import ControlPort, lost_guest, new_nonce
from bbox_server.infra.qemu.sockets import connect_to

_CHUNK_BYTES: Final = 256 * 1024


class ChannelRequest:
    """A RESET that was sent. It may wait in the port from power-on until the guest reads it."""

    def __init__(self, path: Path, control: ControlPort) -> None:
        self._nonce = new_nonce()
        try:
            self._connection = connect_to(path)
        except OSError as error:
            raise lost_guest("The shell port is closed.") from error
        control.send("RESET", self._nonce)

    async def granted(self) -> OwnedFd:
        """Throw away what an earlier connection left, up to READY; then GO.

        Raises:
            BboxError: guest.lost.
        """
        ready = f"\nBBOX-READY {self._nonce}\n".encode()
        tail = b""
        while not tail.endswith(ready):
            tail = (tail + await self._receive())[-len(ready) :]
        try:
            self._connection.send(f"\nBBOX-GO {self._nonce}\n".encode())
        except ConnectionError as error:
            raise lost_guest("The shell port was closed.") from error
        return OwnedFd(self._connection.detach())

    def close(self) -> None:
        """Give up; harmless after `granted`."""
        self._connection.close()

    async def _receive(self) -> bytes:
        await readable(self._connection.fileno())
        try:
            chunk = os.read(self._connection.fileno(), _CHUNK_BYTES)
        except ConnectionError as error:
            raise lost_guest("The shell port was closed.") from error
        if not chunk:
            raise lost_guest("The shell port was closed.")
        return chunk
