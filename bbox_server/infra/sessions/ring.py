# SPDX-License-Identifier: Apache-2.0
"""The last part of what a terminal showed, on disk: one writer, any number of readers.

Offsets count the bytes since the terminal began, and never restart. The file is two slots of a
header and then a ring of data. A slot holds a number, the first and the end offset, and a checksum;
the newest whole one counts, so a crash in the middle of a write leaves the one before.

What a write is about to overwrite is taken out of the header first: a reader that finds its bytes
still in the header after it has read them has read them whole.
"""

import errno
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import without_queries
from bbox_server.domain.terminal import TerminalRecorder

CAPACITY_BYTES: Final = 4 * 1024 * 1024
"""A full-screen agent writes about 10 KB a second (Codex 0.169.0, 120 by 40): seven minutes."""

_SLOT: Final = struct.Struct("<8sQQQQI4x")
_MAGIC: Final = b"bboxring"
_DATA_AT: Final = 2 * _SLOT.size

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

# Where a replay can begin when its start is gone: a sequence is 256 characters at most.
_CLEAN_WITHIN_BYTES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    number: int
    capacity: int
    start: int
    end: int

    def pack(self) -> bytes:
        words = (self.number, self.capacity, self.start, self.end)
        unsigned = _SLOT.pack(_MAGIC, *words, 0)
        return _SLOT.pack(_MAGIC, *words, zlib.crc32(unsigned))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A part of the terminal's output.

    Attributes:
        offset: Of the first byte; more than was asked for when that part is gone.
        end: Where the output ends now; there is more to read while `offset + len(data)` is less.
    """

    offset: int
    data: bytes
    end: int


class TerminalRing(TerminalRecorder):
    """The writer. Whoever makes it holds the session's lock."""

    def __init__(self, path: Path, *, capacity: int = CAPACITY_BYTES) -> None:
        """Go on with the file that is there, or make one with all the space it will need.

        Raises:
            BboxError: disk.full.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        found = _newest(self._fd)
        self._header = found or _Header(number=0, capacity=capacity, start=0, end=0)
        if found is None:
            self._allocate(capacity)
            self._publish(start=0, end=0)

    @property
    def end(self) -> int:
        """Where the next byte goes."""
        return self._header.end

    @override
    def append(self, data: bytes) -> None:
        """Add output, already filtered; queries are silenced, as nobody answers a replay."""
        data = without_queries(data)
        capacity, end = self._header.capacity, self._header.end + len(data)
        kept = data[-capacity:]
        start = max(self._header.start, end - capacity)
        if start > self._header.start:
            self._publish(start=min(start, self._header.end), end=self._header.end)
        at = (end - len(kept)) % capacity
        first = kept[: capacity - at]
        os.pwrite(self._fd, first, _DATA_AT + at)
        os.pwrite(self._fd, kept[len(first) :], _DATA_AT)
        self._publish(start=start, end=end)

    def close(self) -> None:
        """Close the file; harmless twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _publish(self, *, start: int, end: int) -> None:
        number = self._header.number + 1
        self._header = _Header(number=number, capacity=self._header.capacity, start=start, end=end)
        os.pwrite(self._fd, self._header.pack(), number % 2 * _SLOT.size)

    def _allocate(self, capacity: int) -> None:
        try:
            os.posix_fallocate(self._fd, 0, _DATA_AT + capacity)
        except OSError as error:
            self.close()
            if error.errno not in _NO_SPACE:
                raise
            raise BboxError(
                ErrorCode.DISK_FULL,
                cause=f"The terminal's record needs {capacity} bytes.",
                remediation="Free some space, or discard sessions: `bbox discard ID`.",
            ) from error


class RingReader:
    """Reads a ring, while another process writes it or after that."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, offset: int, limit: int) -> Replay:
        """At most `limit` bytes from an offset on, or from what is left of them.

        Raises:
            BboxError: session.corrupt.
        """
        fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            return self._read(fd, offset, limit)
        finally:
            os.close(fd)

    def _read(self, fd: int, offset: int, limit: int) -> Replay:
        before = self._header(fd)
        start = min(max(offset, before.start), before.end)
        data = _pread(fd, before, start, min(limit, before.end - start))
        after = self._header(fd)
        lost = min(max(after.start - start, 0), len(data))
        start, data = start + lost, data[lost:]
        skipped = _broken(data) if start > offset else 0
        return Replay(offset=start + skipped, data=data[skipped:], end=after.end)

    def _header(self, fd: int) -> _Header:
        # Both slots are torn only if the writer laps the reader between two reads.
        for _ in range(16):
            if header := _newest(fd):
                return header
        raise BboxError(
            ErrorCode.SESSION_CORRUPT,
            cause=f"{self._path.name} has no valid header.",
            remediation="Only the terminal's history is lost; the changes can be reviewed.",
        )


def _newest(fd: int) -> _Header | None:
    slots = os.pread(fd, _DATA_AT, 0)
    headers = (_unpack(slots[at : at + _SLOT.size]) for at in (0, _SLOT.size))
    return max(filter(None, headers), key=lambda header: header.number, default=None)


def _unpack(slot: bytes) -> _Header | None:
    if len(slot) < _SLOT.size:
        return None
    magic, number, capacity, start, end, _ = _SLOT.unpack(slot)
    header = _Header(number=number, capacity=capacity, start=start, end=end)
    is_whole = magic == _MAGIC and header.pack() == slot
    return header if is_whole and capacity > 0 and start <= end <= start + capacity else None


def _pread(fd: int, header: _Header, offset: int, size: int) -> bytes:
    at = offset % header.capacity
    first = os.pread(fd, min(size, header.capacity - at), _DATA_AT + at)
    return first + os.pread(fd, size - len(first), _DATA_AT)


def _broken(data: bytes) -> int:
    """How much may be the rest of a sequence or a character whose beginning is gone."""
    window = data[:_CLEAN_WITHIN_BYTES]
    found = [at for at in (window.find(b"\x1b"), window.find(b"\n") + 1) if at > 0]
    return min(found, default=0)
