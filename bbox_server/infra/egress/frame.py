# SPDX-License-Identifier: Apache-2.0
"""QEMU's stream of Ethernet frames: four bytes of length, big-endian, before each."""

import socket
from collections.abc import Iterator
from typing import Final

_LENGTH: Final = 4
_MAX_FRAME: Final = 65_600
"""Ethernet, a VLAN tag and the largest IPv4 packet fit; QEMU itself stops at 68 KiB."""
_BUFFER_BYTES: Final = 1 << 20
_RESERVE_BYTES: Final = 1 << 16
"""Kept free of data, so that acknowledgements and resets get through to a slow guest."""


class LinkViolationError(Exception):
    """The other side doesn't speak the protocol: there is no way to find the next frame."""


class FrameReader:
    """Takes frames out of the stream."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0

    def receive(self, link: socket.socket) -> bool:
        """Take what there is. False at the end of the stream.

        Raises:
            BlockingIOError: There is nothing now.
        """
        count = link.recv_into(self._view[self._filled :])
        self._filled += count
        return count > 0

    def frames(self) -> Iterator[memoryview]:
        """The whole frames that are here; each is valid until the next call of `receive`.

        Raises:
            LinkViolationError: A length that no frame has.
        """
        start = 0
        try:
            while self._filled - start >= _LENGTH:
                length = int.from_bytes(self._view[start : start + _LENGTH], "big")
                if length > _MAX_FRAME:
                    raise LinkViolationError(length)
                end = start + _LENGTH + length
                if end > self._filled:
                    break
                begin, start = start + _LENGTH, end
                yield self._view[begin:end]
        finally:
            self._keep_from(start)

    def _keep_from(self, start: int) -> None:
        if start:
            rest = self._filled - start
            self._buffer[:rest] = self._buffer[start : self._filled]
            self._filled = rest


class FrameWriter:
    """Collects frames and sends as many as the other side takes."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._start = 0
        self._end = 0

    @property
    def is_empty(self) -> bool:
        """Whether everything was sent."""
        return self._start == self._end

    def data_room(self) -> int:
        """Bytes of data, with their headers, that may be added now."""
        return _BUFFER_BYTES - _RESERVE_BYTES - self._end

    def add(self, header: bytes, payload: bytes | memoryview = b"") -> bool:
        """Add a frame; False where there is no room at all, and nothing was added."""
        length = len(header) + len(payload)
        begin = self._end + _LENGTH
        if begin + length > _BUFFER_BYTES:
            return False
        middle = begin + len(header)
        self._view[self._end : begin] = length.to_bytes(_LENGTH, "big")
        self._view[begin:middle] = header
        self._view[middle : begin + length] = payload
        self._end = begin + length
        return True

    def flush(self, link: socket.socket) -> None:
        """Send what the other side takes. Raises OSError when it is gone."""
        while self._start < self._end:
            try:
                self._start += link.send(self._view[self._start : self._end])
            except BlockingIOError:
                return
        self._start = self._end = 0
