# SPDX-License-Identifier: Apache-2.0
"""The user's own terminal: raw while the agent has it, restored on every way out."""

import asyncio
import contextlib
import errno
import fcntl
import os
import signal
import struct
import termios
import tty
from collections.abc import AsyncIterator
from typing import Final

from typing_extensions import override

from bbox_server.domain.terminal import OutputStream, TerminalSize, UserTerminal

INPUT_CHUNK: Final = 65536
# The window is closed; `head` has its lines.
NOBODY_READS: Final = frozenset({errno.EIO, errno.EPIPE})
# A descriptor that polls writable takes this much without blocking (pipe(7), PIPE_BUF).
OUTPUT_CHUNK: Final = 4096
# Leave the alternate screen, show the cursor, end bracketed paste, mouse reports, focus reports
# and the keyboard protocols: what an agent that was killed leaves behind.
RESET: Final = (
    b"\x1b[?1049l\x1b[?25h\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l"
    b"\x1b[?2026l\x1b[<u\x1b[>4;0m\x1b[0m"
)


class LocalTerminal(UserTerminal):
    """Standard input and output of the bbox command."""

    def __init__(self, *, input_fd: int, output_fd: int, error_fd: int) -> None:
        self._input = input_fd
        self._output = output_fd
        self._error = error_fd
        self._resized = asyncio.Event()

    @override
    def size(self) -> TerminalSize | None:
        if not (os.isatty(self._input) and os.isatty(self._output)):
            return None
        packed = fcntl.ioctl(self._output, termios.TIOCGWINSZ, b"\0" * 8)
        rows, columns, _, _ = struct.unpack("HHHH", packed)
        # a terminal that does not know says 0 (compat VM-13: 80x24)
        return TerminalSize(columns=columns or 80, rows=rows or 24)

    @override
    @contextlib.asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        if self.size() is None:
            yield
            return
        loop = asyncio.get_running_loop()
        before = termios.tcgetattr(self._input)
        tty.setraw(self._input, termios.TCSANOW)
        loop.add_signal_handler(signal.SIGWINCH, self._resized.set)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGWINCH)
            with contextlib.suppress(OSError):
                os.write(self._output, RESET)
            with contextlib.suppress(termios.error):  # a closed window has nothing to restore
                termios.tcsetattr(self._input, termios.TCSANOW, before)

    @override
    async def read(self) -> bytes:
        await self._ready(self._input, writing=False)
        try:
            return os.read(self._input, INPUT_CHUNK)
        except OSError:
            # EIO: the terminal hung up
            return b""

    @override
    async def write(self, data: bytes, stream: OutputStream) -> None:
        descriptor = self._output if stream is OutputStream.OUTPUT else self._error
        view = memoryview(data)
        while view:
            await self._ready(descriptor, writing=True)
            try:
                view = view[os.write(descriptor, view[:OUTPUT_CHUNK]) :]
            except OSError as error:
                if error.errno not in NOBODY_READS:
                    raise
                return  # the agent goes on

    @override
    async def resized(self) -> TerminalSize:
        while True:
            await self._resized.wait()
            self._resized.clear()
            size = self.size()
            if size is not None:
                return size

    async def _ready(self, descriptor: int, *, writing: bool) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def set_ready() -> None:
            if not ready.done():
                ready.set_result(None)

        add, remove = (
            (loop.add_writer, loop.remove_writer)
            if writing
            else (loop.add_reader, loop.remove_reader)
        )
        try:
            add(descriptor, set_ready)
        except PermissionError:
            # a regular file can't be polled and never blocks
            return
        try:
            await ready
        finally:
            remove(descriptor)
