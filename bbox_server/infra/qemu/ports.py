# SPDX-License-Identifier: Apache-2.0
"""A socket that speaks in lines, both ways."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress

from bbox_server.infra.process.descriptors import Lines


class LinePort:
    """Owns a connected socket; what arrives is handed on line by line."""

    def __init__(
        self,
        connection: socket.socket,
        on_line: Callable[[bytes], None],
        *,
        on_end: Callable[[], None] = lambda: None,
        limit_bytes: int,
    ) -> None:
        connection.settimeout(0)
        self._socket = connection
        self._lines = Lines(
            os.dup(connection.fileno()), on_line, on_end=on_end, limit_bytes=limit_bytes
        )

    def send(self, line: str) -> bool:
        """Send a short line; False when the other end is gone or has stopped to read."""
        with suppress(OSError):
            return self._socket.send(line.encode()) == len(line)
        return False

    def close(self) -> None:
        """Hand on what has arrived already, then close; harmless twice."""
        self._lines.close()
        self._socket.close()
