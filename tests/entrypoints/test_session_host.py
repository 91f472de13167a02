# SPDX-License-Identifier: Apache-2.0
"""A session's terminal and events, shared by clients that come and go."""

import asyncio
from collections.abc import Iterable

from bbox_server.domain.escape import without_queries
from bbox_server.domain.session import EventKind, SessionEvent, SessionId
from bbox_server.domain.terminal import OutputStream, TerminalSize
from bbox_server.entrypoints.session_host.event_hub import EventHub
from bbox_server.entrypoints.session_host.terminal import (
    CHUNK_BYTES,
    HOLD_BYTES,
    WINDOW_BYTES,
    SharedTerminal,
    TerminalView,
)

SIZE = TerminalSize(columns=80, rows=24)
QUERY = b"\x1b[6n"


class Screen:
    """A client: what it was sent, acknowledged at once or not at all."""

    def __init__(self, terminal: SharedTerminal, view: TerminalView, *, acks: bool = True) -> None:
        self.shown = b""
        self.next = view.position
        self.streams: list[tuple[bytes, OutputStream]] = []
        self._terminal, self._view, self._acks = terminal, view, acks

    async def send(self, begin: int, data: bytes, stream: OutputStream) -> None:
        assert begin >= self.next
        self.shown += data
        self.streams.append((data, stream))
        self.next = begin + len(data)
        if self._acks:
            self._terminal.ack(self._view, self.next)


class Recorded:
    """A session's terminal with its record, which keeps all."""

    def __init__(self, size: TerminalSize | None = SIZE) -> None:
        self.record = b""
        self.terminal = SharedTerminal(size=size, read=self._read)

    async def say(self, data: bytes, stream: OutputStream = OutputStream.OUTPUT) -> None:
        self.record += without_queries(data)
        await self.terminal.write(data, stream)

    def _read(self, offset: int, limit: int) -> tuple[int, bytes]:
        return offset, self.record[offset : offset + limit]


async def test_every_client_sees_all_and_one_sees_the_queries() -> None:
    recorded = Recorded()
    terminal = recorded.terminal
    first, second = terminal.open(0, SIZE), terminal.open(0, None)
    screens = [Screen(terminal, view) for view in (first, second)]
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        for view, screen in zip((first, second), screens, strict=True):
            tasks.create_task(terminal.pump(view, screen.send))
        await recorded.say(b"hello " + QUERY)
        await recorded.say(b"world")
        terminal.finish()
    assert screens[0].shown == b"hello " + QUERY + b"world"
    assert screens[1].shown == b"hello \0\0\0\0world"


async def test_a_client_that_comes_back_gets_the_rest_without_old_queries() -> None:
    recorded = Recorded()
    await recorded.say(b"before " + QUERY)
    view = recorded.terminal.open(3, SIZE)
    screen = Screen(recorded.terminal, view)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(recorded.terminal.pump(view, screen.send))
        await recorded.say(b" after " + QUERY)
        recorded.terminal.finish()
    assert screen.shown == b"ore \0\0\0\0 after " + QUERY


async def test_no_more_than_the_window_is_sent_ahead() -> None:
    recorded = Recorded()
    view = recorded.terminal.open(0, SIZE)
    screen = Screen(recorded.terminal, view, acks=False)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        pumping = tasks.create_task(recorded.terminal.pump(view, screen.send))
        await recorded.say(b"x" * (WINDOW_BYTES + 5 * CHUNK_BYTES))
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(screen.shown) == WINDOW_BYTES
        pumping.cancel()


async def test_a_client_that_shows_nothing_holds_the_agent_back() -> None:
    recorded = Recorded()
    view = recorded.terminal.open(0, SIZE)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(recorded.say(b"x" * (HOLD_BYTES + 1)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not writing.done()
        recorded.terminal.close(view)
    assert writing.done()


async def test_output_on_pipes_keeps_its_streams_and_its_bytes() -> None:
    recorded = Recorded(size=None)
    view = recorded.terminal.open(0, None)
    screen = Screen(recorded.terminal, view)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        await recorded.say(b"out " + QUERY)
        await recorded.say(b"err", OutputStream.ERROR)
        tasks.create_task(recorded.terminal.pump(view, screen.send))
        recorded.terminal.finish()
    assert screen.streams == [
        (b"out " + QUERY, OutputStream.OUTPUT),
        (b"err", OutputStream.ERROR),
    ]


async def test_the_last_size_counts() -> None:
    terminal = Recorded().terminal
    first, second = terminal.open(0, SIZE), terminal.open(0, SIZE)
    wide, narrow = TerminalSize(columns=200, rows=50), TerminalSize(columns=40, rows=10)
    terminal.resize(first, wide)
    terminal.resize(second, narrow)
    assert [await terminal.resized(), await terminal.resized()] == [wide, narrow]
    assert terminal.size() == narrow


def event(seq: int, kind: EventKind = EventKind.WARNING) -> SessionEvent:
    return SessionEvent(session=SessionId("3f9a1c07"), seq=seq, at=0.0, kind=kind)


async def test_events_come_without_gap_or_repeat_from_disk_and_from_memory() -> None:
    stored: list[SessionEvent] = [event(seq) for seq in range(1, 4)]
    heard: list[int] = []
    done = asyncio.Event()

    def read() -> Iterable[SessionEvent]:
        return tuple(stored)

    hub = EventHub(read)

    async def hear(one: SessionEvent) -> None:
        heard.append(one.seq)
        if one.seq == 2999:
            done.set()
        await asyncio.sleep(0)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(hub.follow(2, hear))
        for seq in range(4, 3000):
            stored.append(event(seq))
            hub.keep(event(seq))
            if seq % 500 == 0:
                await asyncio.sleep(0)
        await done.wait()
        following.cancel()
    assert heard == list(range(2, 3000))


async def test_a_client_that_fell_behind_is_told_to_list_again_and_misses_no_news() -> None:
    stored = [event(1)]
    heard: list[SessionEvent] = []
    hears = asyncio.Event()
    done = asyncio.Event()
    hub = EventHub(lambda: tuple(stored))

    async def hear(one: SessionEvent) -> None:
        heard.append(one)
        await hears.wait()
        if one.seq == 3000:
            done.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(hub.follow(1, hear))
        await asyncio.sleep(0)
        for seq in range(2, 3001):
            kind = EventKind.WARNING if seq == 1500 else EventKind.CHANGES
            stored.append(event(seq, kind))
            hub.keep(stored[-1])
        hears.set()
        await done.wait()
        following.cancel()
    assert [one.seq for one in heard] == [1, 1500, 2000, *range(2001, 3001)]
    assert (heard[2].kind, heard[2].fields) == (EventKind.RESYNC, {"missed": 1998})


async def test_a_new_client_gets_the_whole_history() -> None:
    stored = [event(seq, EventKind.CHANGES) for seq in range(1, 3001)]
    heard: list[int] = []
    done = asyncio.Event()
    hub = EventHub(lambda: tuple(stored))
    for one in stored:
        hub.keep(one)

    async def hear(one: SessionEvent) -> None:
        heard.append(one.seq)
        if one.seq == 3000:
            done.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(hub.follow(1, hear))
        await done.wait()
        following.cancel()
    assert heard == list(range(1, 3001))
