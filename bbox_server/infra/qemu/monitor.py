# SPDX-License-Identifier: Apache-2.0
"""QEMU's monitor (QMP): why it ended, and the order to end (QEMU docs, interop/qmp-spec)."""

import json
import socket
from typing import Final

from bbox_server.domain.vm import VmEnd
from bbox_server.infra.qemu.ports import LinePort

_LINE_BYTES: Final = 64 * 1024

# QAPI ShutdownCause; what isn't here came from the host.
_ENDS: Final = {
    "guest-shutdown": VmEnd.POWERED_OFF,
    "guest-reset": VmEnd.GUEST_RESET,
    "guest-panic": VmEnd.GUEST_PANIC,
}


class Monitor:
    """Our end of the monitor.

    Attributes:
        end: Why QEMU said that it ends; KILLED as long as it has said nothing.
        io_errors: How often the disk's file could not be written or read.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.end = VmEnd.KILLED
        self.io_errors = 0
        self._port = LinePort(connection, self._take, limit_bytes=_LINE_BYTES)
        self._execute("qmp_capabilities")

    def quit(self) -> None:
        """Tell QEMU to end at once."""
        self._execute("quit")

    def close(self) -> None:
        """Take what QEMU has said already, then close."""
        self._port.close()

    def _execute(self, command: str) -> None:
        self._port.send(json.dumps({"execute": command}) + "\n")

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict):
            return
        match message:
            case {"event": "SHUTDOWN", "data": {"reason": str(reason)}}:
                self.end = _ENDS.get(reason, VmEnd.KILLED)
            case {"event": "BLOCK_IO_ERROR"}:
                self.io_errors += 1
            case _:
                return
