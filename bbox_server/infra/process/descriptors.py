# SPDX-License-Identifier: Apache-2.0
"""File descriptors in the event loop, without tasks: what is acquired here needs no owner."""

import asyncio
import os
from collections.abc import Callable
from typing import Final

_CHUNK_BYTES: Final = 64 * 1024

# Of what is there when we are about to close: who writes on and on is not heard out.
_LAST_CHUNKS: Final = 64


async def readable(fd: int) -> None:
    """Wait until a descriptor is readable or at its end. One waiter at a time."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def _settle(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


class Pipe:
    """The reading end of a child's output; the child waits while nobody reads."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    async def read(self) -> bytes:
        """The next bytes, at most 64 KiB; empty at the end and after `close`."""
        while self._fd >= 0:
            try:
                return os.read(self._fd, _CHUNK_BYTES)
            except BlockingIOError:
                await readable(self._fd)
        return b""

    def drop(self) -> None:
        """Throw away what is in the pipe now, so that a child which stops is not held up."""
        for _ in range(_LAST_CHUNKS if self._fd >= 0 else 0):
            try:
                if not os.read(self._fd, _CHUNK_BYTES):
                    return
            except BlockingIOError:
                return

    def close(self) -> None:
        """Close the descriptor; harmless twice. No `read` may be under way."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Lines:
    """Hands on what arrives on a descriptor, line by line, as it arrives.

    A line without its end is handed on in pieces of `limit_bytes`, and what is left at the end
    of the stream as the last line. The descriptor is owned by this.
    """

    def __init__(
        self,
        fd: int,
        on_line: Callable[[bytes], None],
        *,
        on_end: Callable[[], None] = lambda: None,
        limit_bytes: int = 4096,
    ) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._on_line = on_line
        self._on_end = on_end
        self._limit_bytes = limit_bytes
        self._rest = b""
        asyncio.get_running_loop().add_reader(fd, self._on_readable)

    def close(self) -> None:
        """Hand on what has arrived already, then close the descriptor; harmless twice."""
        for _ in range(_LAST_CHUNKS):
            if self._fd < 0 or not self._take():
                break
        self._end()

    def _on_readable(self) -> None:
        if self._take() is False:
            self._end()

    def _take(self) -> bool | None:
        """Whether there was something; False at the end, None when nothing is there yet."""
        try:
            chunk = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            return False
        *lines, rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._hand_on(line)
        while len(rest) > self._limit_bytes:
            self._on_line(rest[: self._limit_bytes])
            rest = rest[self._limit_bytes :]
        self._rest = rest
        return bool(chunk)

    def _hand_on(self, line: bytes) -> None:
        for start in range(0, len(line) or 1, self._limit_bytes):
            self._on_line(line[start : start + self._limit_bytes])

    def _end(self) -> None:
        if self._fd < 0:
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        self._fd = -1
        if self._rest:
            self._hand_on(self._rest)
            self._rest = b""
        self._on_end()


class Tail:
    """Reads a descriptor as it fills and keeps the last bytes."""

    def __init__(self, fd: int, limit_bytes: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        asyncio.get_running_loop().add_reader(fd, self._on_readable)

    def content(self) -> bytes:
        """What is kept now."""
        return bytes(self._kept)

    def close(self) -> None:
        """Take what is still in the pipe, then close the descriptor; harmless twice."""
        for _ in range(_LAST_CHUNKS):
            if self._fd < 0 or not self._take():
                break
        self._end()

    def _on_readable(self) -> None:
        if not self._take():
            self._end()

    def _take(self) -> bool:
        try:
            chunk = os.read(self._fd, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._kept += chunk
        del self._kept[: -self._limit_bytes]
        return bool(chunk)

    def _end(self) -> None:
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1
