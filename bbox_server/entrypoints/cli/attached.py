# SPDX-License-Identifier: Apache-2.0
"""The user's terminal, connected with a session's host."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from bbox_server.domain.gateway import SessionConnection
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import EventKind, EventValue, SessionState
from bbox_server.domain.terminal import TerminalSize, UserTerminal
from bbox_server.entrypoints.cli.network_view import blocked_line, endpoint
from bbox_server.entrypoints.cli.remote_review import ask, tell
from bbox_server.wire.event import EventMessage, SubscribeParams
from bbox_server.wire.lifecycle import HowToStop, StopParams
from bbox_server.wire.model import from_base64, to_base64
from bbox_server.wire.run import TerminalSizeMessage
from bbox_server.wire.session import SessionMessage
from bbox_server.wire.terminal import (
    TerminalAckParams,
    TerminalData,
    TerminalInputParams,
    TerminalOpened,
    TerminalOpenParams,
    TerminalResizeParams,
)

# Nothing runs any more in these.
OVER: Final = frozenset(
    {
        SessionState.REVIEWING.value,
        SessionState.DONE.value,
        SessionState.FAILED.value,
        SessionState.DISCARDED.value,
    }
)


class AttachedTerminal:
    """Shows a session until its agent has ended and its microVM is stopped.

    Lines for the user go to `note`, where they spoil no screen of the agent's.
    """

    def __init__(
        self,
        *,
        connection: SessionConnection,
        terminal: UserTerminal,
        progress: ProgressObserver,
        note: Callable[[str], None],
    ) -> None:
        self.has_started = False
        self._connection = connection
        self._terminal = terminal
        self._progress = progress
        self._note = note
        self._blocked: set[str] = set()
        self._session = connection.session
        self._view = ""
        self._shown = 0
        self._has_shown = asyncio.Event()
        self._has_ended = False
        self._raw = AsyncExitStack()

    async def __call__(self) -> None:
        """Return when nothing of the run is left but the review."""
        opened = await ask(
            self._connection,
            "bbox/terminal/open",
            TerminalOpenParams(session=self._session, size=size_message(self._terminal.size())),
            TerminalOpened,
        )
        self._view, self._shown = opened.terminal, opened.from_byte
        await tell(self._connection, "bbox/subscribe", SubscribeParams(session=self._session))
        async with self._raw, asyncio.TaskGroup() as tasks:
            endless = [
                tasks.create_task(self._carry_input()),
                tasks.create_task(self._carry_sizes()),
                tasks.create_task(self._acknowledge()),
            ]
            await self._follow()
            for task in endless:
                task.cancel()

    async def stop(self, how: HowToStop) -> SessionMessage:
        """End the run."""
        params = StopParams(session=self._session, mode=how)
        return await ask(self._connection, "bbox/sessions/stop", params, SessionMessage)

    async def _follow(self) -> None:
        is_over = False
        async for notice in self._connection.notices():
            match notice.method:
                case "bbox/terminal/data":
                    await self._show(notice.params)
                case "bbox/terminal/ended":
                    self._has_ended = True
                    await self._raw.aclose()
                case "bbox/event":
                    is_over = await self._hear(notice.params) or is_over
                case _:
                    pass
            if is_over and self._has_ended:
                return

    async def _show(self, params: Mapping[str, object]) -> None:
        data = TerminalData.model_validate(params, extra="ignore")
        content = from_base64(data.data)
        await self._terminal.write(content, data.stream)
        self._shown = data.from_byte + len(content)
        self._has_shown.set()

    async def _hear(self, params: Mapping[str, object]) -> bool:
        """Whether the run is over."""
        event = EventMessage.model_validate(params, extra="ignore")
        if event.kind is EventKind.PROGRESS:
            await self._tell(event)
        if event.kind is EventKind.NETWORK_BLOCKED:
            self._tell_blocked(event.fields)
        return event.kind is EventKind.STATE and event.fields.get("state") in OVER

    def _tell_blocked(self, fields: Mapping[str, EventValue]) -> None:
        """One line for each new name. On a terminal the end of the session tells them."""
        name = endpoint(fields)
        if self._terminal.size() is None and name not in self._blocked:
            self._blocked.add(name)
            self._note(blocked_line(fields))

    async def _tell(self, event: EventMessage) -> None:
        step, message = event.fields.get("step"), str(event.fields.get("message", ""))
        if step in {"warned", "noted"}:
            (self._progress.warned if step == "warned" else self._progress.noted)(message)
            return
        phase = Phase(str(event.fields.get("phase")))
        match step:
            case "started":
                self._progress.started(phase, message)
                if phase is Phase.TERMINAL and not self._has_ended:
                    self.has_started = True
                    await self._raw.enter_async_context(self._terminal.attached())
            case "advanced":
                self._progress.advanced(phase, message)
            case "finished":
                self._progress.finished(phase, message)
            case _:
                self._progress.failed(phase, message)

    async def _carry_input(self) -> None:
        while not self.has_started:
            await self._has_begun()
        while data := await self._terminal.read():
            await self._type(data, end=False)
        await self._type(b"", end=True)

    async def _has_begun(self) -> None:
        # What is typed before the agent runs stays with the terminal: Ctrl-C is still a signal.
        await asyncio.sleep(0.05)

    async def _type(self, data: bytes, *, end: bool) -> None:
        params = TerminalInputParams(
            session=self._session, terminal=self._view, data=to_base64(data), end=end
        )
        await tell(self._connection, "bbox/terminal/input", params)

    async def _carry_sizes(self) -> None:
        while True:
            size = await self._terminal.resized()
            message = size_message(size) if isinstance(size, TerminalSize) else None
            if message is not None:
                params = TerminalResizeParams(
                    session=self._session, terminal=self._view, size=message
                )
                await tell(self._connection, "bbox/terminal/resize", params)

    async def _acknowledge(self) -> None:
        # Apart from showing: an answer comes behind the output that is still to be read.
        while True:
            await self._has_shown.wait()
            self._has_shown.clear()
            params = TerminalAckParams(session=self._session, terminal=self._view, byte=self._shown)
            await tell(self._connection, "bbox/terminal/ack", params)


def size_message(size: TerminalSize | None) -> TerminalSizeMessage | None:
    """A size for a host."""
    return None if size is None else TerminalSizeMessage(cols=size.columns, rows=size.rows)
