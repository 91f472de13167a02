# SPDX-License-Identifier: Apache-2.0
"""The host's side of a connection: a non-blocking socket with a queue before it."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable

from bbox_server.infra.egress.bucket import ENTRY_BYTES, Budget


class Upstream:
    """A connected socket, which it owns.

    Raw sends instead of asyncio's transport: that one keeps memoryviews of what it could not
    send (from 3.12 on; uvloop as well), and ours are gone with the next read.

    Attributes:
        queued_bytes: Taken from the guest and not sent yet.
    """

    def __init__(
        self,
        connected: socket.socket,
        budget: Budget,
        *,
        readable: Callable[[], None],
        drained: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        self._socket = connected
        self._budget = budget
        self._readable = readable
        self._drained = drained
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._queue: deque[bytes] = deque()
        self._reading = False
        self._writing = False
        self._finished = False
        self._closed = False
        self.queued_bytes = 0

    @property
    def address(self) -> str:
        """What the socket is connected to; empty for a service."""
        try:
            name = self._socket.getpeername()
        except OSError:
            # It was reset already: the first read tells.
            return ""
        return str(name[0]) if isinstance(name, tuple) else ""

    @property
    def is_reading(self) -> bool:
        """Whether `readable` is called when there is data."""
        return self._reading

    def write(self, data: bytes | memoryview) -> None:
        """Send, or queue a copy of what can't be sent now."""
        sent = 0
        if not self._queue:
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._lost()
                return
        if sent < len(data):
            self._enqueue(bytes(data[sent:]))

    def finish(self) -> None:
        """No more data: shut down once the queue is empty."""
        self._finished = True
        if not self._queue:
            self._shut_down()

    def read(self, limit: int) -> bytes | None:
        """The next data, empty at the end, None when there is nothing now. Raises OSError."""
        try:
            return self._socket.recv(limit)
        except BlockingIOError:
            return None

    def resume(self) -> None:
        """Call `readable` when there is data."""
        if not self._reading and not self._closed:
            self._loop.add_reader(self._socket, self._readable)
            self._reading = True

    def pause(self) -> None:
        """Leave the data to the kernel: the sender will notice."""
        if self._reading:
            self._loop.remove_reader(self._socket)
            self._reading = False

    def close(self) -> None:
        """Close the socket and forget the queue; harmless twice."""
        if self._closed:
            return
        self.pause()
        self._stop_writing()
        self._closed = True
        self._socket.close()
        self._budget.hold(-self.queued_bytes - ENTRY_BYTES * len(self._queue))
        self._queue.clear()
        self.queued_bytes = 0

    def reset(self) -> None:
        """Close the socket so that the other side doesn't take it for a proper end."""
        if not self._closed:
            linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def _enqueue(self, rest: bytes) -> None:
        self._queue.append(rest)
        self._count(len(rest))
        self._budget.hold(ENTRY_BYTES)
        if not self._writing:
            self._loop.add_writer(self._socket, self._on_writable)
            self._writing = True

    def _count(self, change: int) -> None:
        self.queued_bytes += change
        self._budget.hold(change)

    def _on_writable(self) -> None:
        while self._queue:
            first = self._queue[0]
            try:
                sent = self._socket.send(first)
            except BlockingIOError:
                break
            except OSError:
                self._lost()
                return
            self._count(-sent)
            if sent < len(first):
                self._queue[0] = first[sent:]
                break
            self._queue.popleft()
            self._budget.hold(-ENTRY_BYTES)
        if not self._queue:
            self._stop_writing()
            if self._finished:
                self._shut_down()
        self._drained()

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._socket)
            self._writing = False

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It was reset: the next read tells.
            return
