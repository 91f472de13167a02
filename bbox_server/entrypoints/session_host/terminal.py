# SPDX-License-Identifier: Apache-2.0
"""One terminal for all clients of a session."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.terminal import OutputStream, TerminalSize, UserTerminal
from bbox_server.entrypoints.session_host.live_output import LiveOutput

CHUNK_BYTES: Final = 48 * 1024
WINDOW_BYTES: Final = 1 << 20
"""Sent, but not yet acknowledged by a client."""

HOLD_BYTES: Final = 2 << 20
"""A client that is so far behind holds the agent back; half of what the record keeps."""

STALL_S: Final = 10.0
"""After that time without an acknowledgement it doesn't any more."""

Read = Callable[[int, int], tuple[int, bytes]]
"""Recorded output from a position on, at most so much: where it begins, and the bytes."""

Send = Callable[[int, bytes, OutputStream], Awaitable[None]]


class TerminalView:
    """One client's view. `position` is the next byte to send, `acked` the next it will show."""

    def __init__(self, name: str, position: int, live_from: int) -> None:
        self.name = name
        self.position = position
        self.acked = position
        self.live_from = live_from
        self.holds = True
        self.wake = asyncio.Event()


class SharedTerminal(UserTerminal):
    """Carries the guest's output to every view, and all input to the guest.

    The view that set the size or typed last is the one that answers the guest's queries: it alone
    sees them.
    """

    def __init__(self, *, size: TerminalSize | None, read: Read, end: int = 0) -> None:
        self.ended = asyncio.Event()
        self._size = size
        self._read = read
        self._live = LiveOutput(HOLD_BYTES, end=end)
        self._views: dict[str, TerminalView] = {}
        self._names = itertools.count(1)
        self._answering: TerminalView | None = None
        self._input: asyncio.Queue[bytes] = asyncio.Queue(64)
        self._requests: asyncio.Queue[TerminalSize | str] = asyncio.Queue(64)
        self._acked = asyncio.Event()

    @property
    def end(self) -> int:
        """Where the next byte goes."""
        return self._live.end

    @override
    def size(self) -> TerminalSize | None:
        return self._size

    @override
    @asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.finish()

    @override
    async def read(self) -> bytes:
        return await self._input.get()

    @override
    async def write(self, data: bytes, stream: OutputStream) -> None:
        self._live.append(data, stream)
        self._wake_all()
        while holding := [view for view in self._views.values() if self._is_held_by(view)]:
            self._acked.clear()
            try:
                async with asyncio.timeout(STALL_S if self._size else None):
                    await self._acked.wait()
            except TimeoutError:
                for view in holding:
                    view.holds = False

    @override
    async def resized(self) -> TerminalSize | str:
        return await self._requests.get()

    def finish(self) -> None:
        """No more output comes."""
        self.ended.set()
        self._wake_all()

    def open(self, from_byte: int, size: TerminalSize | None) -> TerminalView:
        """A new view. Old output is shown without queries: they were answered then."""
        view = TerminalView(str(next(self._names)), min(from_byte, self.end), self.end)
        self._views[view.name] = view
        if size is not None:
            self.resize(view, size)
        elif self._answering is None:
            self._answering = view
        return view

    def view(self, name: str) -> TerminalView:
        """A view by its name. Raises: session.state."""
        try:
            return self._views[name]
        except KeyError:
            raise BboxError(
                ErrorCode.SESSION_STATE,
                cause=f"There is no view {name[:32]!r} of this terminal.",
                remediation="Open the terminal again.",
            ) from None

    def close(self, view: TerminalView) -> None:
        """Forget a view; harmless twice."""
        self._views.pop(view.name, None)
        if self._answering is view:
            self._answering = next(reversed(self._views.values()), None)
            if self._answering is not None:
                self._answering.live_from = self.end
        view.wake.set()
        self._acked.set()

    async def type(self, view: TerminalView, data: bytes) -> None:
        """Input; empty ends it. In order, also where the guest doesn't read."""
        self._answers(view)
        await self._input.put(data)

    def resize(self, view: TerminalView, size: TerminalSize) -> None:
        """Set the size; where the guest doesn't keep up, the older ones are forgotten."""
        self._answers(view)
        if self._size is not None and size != self._size:
            self._size = size
            self.ask(size)

    def ask(self, request: TerminalSize | str) -> None:
        """Resize the guest's terminal, or send a signal to the agent."""
        if self._requests.full():
            self._requests.get_nowait()
        self._requests.put_nowait(request)

    def ack(self, view: TerminalView, byte: int) -> None:
        """A client has shown everything before a byte."""
        view.acked = max(view.acked, min(byte, view.position))
        view.holds = view.holds or self.end - view.acked < WINDOW_BYTES
        view.wake.set()
        self._acked.set()

    async def pump(self, view: TerminalView, send: Send) -> int:
        """Send output until it ends or the view is closed; returns where that is."""
        while view.name in self._views:
            view.wake.clear()
            room = view.acked + WINDOW_BYTES - view.position
            if view.position < self.end and room > 0:
                begin, data, stream = self._take(view, min(room, CHUNK_BYTES))
                view.acked = max(view.acked, view.acked + begin - view.position)
                view.position = begin + len(data)
                await send(begin, data, stream)
            elif self.ended.is_set() and view.position >= self.end:
                break
            else:
                await view.wake.wait()
        return view.position

    def _take(self, view: TerminalView, limit: int) -> tuple[int, bytes, OutputStream]:
        is_live = view is self._answering and view.position >= view.live_from
        if view.position >= self._live.start and (is_live or self._size is None):
            data, stream = self._live.read(view.position, limit)
            return view.position, data, stream
        if view is self._answering:
            # Not beyond what is old: from there on it has to see the queries.
            limit = min(limit, view.live_from - view.position) or limit
        begin, data = self._read(view.position, limit)
        if not data:  # gone: nothing is left of it but the newest
            begin = max(begin, self._live.start)
            data, _ = self._live.read(begin, limit)
        return begin, data, OutputStream.OUTPUT

    def _is_held_by(self, view: TerminalView) -> bool:
        return view.holds and self.end - view.acked > HOLD_BYTES

    def _answers(self, view: TerminalView) -> None:
        if self._answering is not view:
            self._answering = view
            view.live_from = max(view.live_from, self.end)

    def _wake_all(self) -> None:
        for view in self._views.values():
            view.wake.set()
