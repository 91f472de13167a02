# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC over asyncio's streams, in the place of pygls's threads (editor.md)."""

import asyncio
import os
import sys
from typing import Final

from bbox_server.wire.frame import FrameError, read_body

READ_LIMIT_BYTES: Final = 1 << 16
WRITE_LIMIT_BYTES: Final = 1 << 17
"""When so much waits for the client, nothing more is read from it, and terminals wait.

An answer has no more than that before it.
"""


class StreamsWriter:
    """What pygls writes to; `drain` waits for a client that doesn't read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)

    def write(self, data: bytes) -> None:
        """Send, or queue."""
        if not self._writer.is_closing():
            self._writer.write(data)

    def close(self) -> None:
        """Send no more."""
        self._writer.close()

    async def drain(self) -> None:
        """Wait until there is room. A client that is gone has room: reading sees its end."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return


async def standard_streams() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Standard input and output. What else is printed goes to standard error from now on."""
    loop = asyncio.get_running_loop()
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    reader = asyncio.StreamReader(limit=READ_LIMIT_BYTES)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), output
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def next_body(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's body; garbage before it is told once. Raises: FrameError."""
    try:
        return await read_body(reader)
    except FrameError as error:
        if not error.is_synced:
            await _skip_garbage(reader)
        raise


async def _skip_garbage(reader: asyncio.StreamReader) -> None:
    # To the end of the lines that are here: a frame begins with a line of its own.
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            continue
        if line in {b"", b"\r\n", b"\n"}:
            return
