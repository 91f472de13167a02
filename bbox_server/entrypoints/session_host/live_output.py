# SPDX-License-Identifier: Apache-2.0
"""The newest output of a terminal as the guest wrote it: with queries, and by stream."""

from collections import deque

from bbox_server.domain.terminal import OutputStream


class LiveOutput:
    """What the record leaves out: a client that answers queries has to see them, once."""

    def __init__(self, limit_bytes: int, *, end: int = 0) -> None:
        self.end = end
        self._limit = limit_bytes
        self._data = bytearray()
        # Where a stream begins; the first one is that of the oldest byte.
        self._runs: deque[tuple[int, OutputStream]] = deque()

    @property
    def start(self) -> int:
        """The oldest byte that is still here."""
        return self.end - len(self._data)

    def append(self, data: bytes, stream: OutputStream) -> None:
        """Add output."""
        if not self._runs or self._runs[-1][1] is not stream:
            self._runs.append((self.end, stream))
        self._data += data
        self.end += len(data)
        if len(self._data) > 2 * self._limit:
            del self._data[: len(self._data) - self._limit]
        while len(self._runs) > 1 and self._runs[1][0] <= self.start:
            self._runs.popleft()

    def read(self, position: int, limit: int) -> tuple[bytes, OutputStream]:
        """The bytes from a position on, of one stream."""
        stream, stop = self._run_at(position)
        at = position - self.start
        return bytes(self._data[at : min(at + limit, stop - self.start)]), stream

    def _run_at(self, position: int) -> tuple[OutputStream, int]:
        found, stop = OutputStream.OUTPUT, self.end
        for begin, stream in reversed(self._runs):
            found = stream
            if begin <= position:
                return found, stop
            stop = begin
        return found, self.end
