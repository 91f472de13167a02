# SPDX-License-Identifier: Apache-2.0
"""One client of a session: answers its requests, sends what it subscribed to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionEvent
from bbox_server.domain.terminal import OutputStream
from bbox_server.entrypoints.session_host.host import Host
from bbox_server.entrypoints.session_host.network_requests import NetworkRequests
from bbox_server.entrypoints.session_host.requests import (
    run_request,
    terminal_size,
)
from bbox_server.entrypoints.session_host.review_requests import ReviewRequests
from bbox_server.entrypoints.session_host.terminal import (
    WINDOW_BYTES,
    SharedTerminal,
    TerminalView,
)
from bbox_server.wire.event import SubscribeParams, UnsubscribeParams, event_message
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.lifecycle import (
    PROTOCOL_VERSION,
    HowToStop,
    InitializeParams,
    InitializeResult,
    StopParams,
)
from bbox_server.wire.model import Message, from_base64, to_base64
from bbox_server.wire.params import read_params
from bbox_server.wire.peer import Peer, RpcCode, RpcError
from bbox_server.wire.review_request import SessionParams
from bbox_server.wire.run import Done, RunParams
from bbox_server.wire.session import SessionMessage, session_message
from bbox_server.wire.terminal import (
    TerminalAckParams,
    TerminalCloseParams,
    TerminalData,
    TerminalEnded,
    TerminalInputParams,
    TerminalOpened,
    TerminalOpenParams,
    TerminalResizeParams,
)

log = logging.getLogger(__name__)

DONE = Done()
# One method takes one message, which read_params has made: mypy can't see which.
Answer = Callable[[Any], Awaitable[Message]]


class HostClient:
    """Lives as long as its connection."""

    def __init__(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._host = host
        self._peer = Peer(reader, writer, handler=self._handle, listener=self._ignore)
        self._tasks: asyncio.TaskGroup | None = None
        self._following: asyncio.Task[None] | None = None
        self._views: dict[str, tuple[SharedTerminal, TerminalView]] = {}
        self._pump_tasks: set[asyncio.Task[None]] = set()
        self._network = NetworkRequests(host.services.network, host.services.session)
        self._answers: dict[str, Answer] = {
            "bbox/run": self._run,
            "bbox/sessions/get": self._get,
            "bbox/sessions/stop": self._stop,
            "bbox/sessions/discard": self._discard,
            "bbox/subscribe": self._subscribe,
            "bbox/unsubscribe": self._unsubscribe,
            "bbox/terminal/open": self._open,
            "bbox/terminal/input": self._input,
            "bbox/terminal/resize": self._resize,
            "bbox/terminal/ack": self._ack,
            "bbox/terminal/close": self._close,
            **ReviewRequests(host=host).answers(),
            **self._network.answers(),
        }

    async def serve(self) -> None:
        """Answer until the client leaves."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._peer.serve()
                if self._following is not None:
                    self._following.cancel()
                self._close_views()
        finally:
            self._close_views()
            await self._network.attend(answers=False)

    async def _handle(self, method: str, params: JsonObject) -> JsonObject:
        if method == "initialize":
            return self._initialize(params).to_object()
        if method not in self._answers:
            raise RpcError(RpcCode.METHOD_NOT_FOUND, f"a host has no method {method[:80]!r}")
        message = read_params(method, params)
        named = getattr(message, "session", self._host.services.session)
        if named != self._host.services.session:
            raise BboxError(
                ErrorCode.SESSION_UNKNOWN,
                cause=f"This is the host of session {self._host.services.session}.",
                remediation="Ask the host of that session.",
            )
        try:
            return (await self._answers[method](message)).to_object()
        except (BboxError, ExceptionGroup, RpcError):
            raise
        except Exception as defect:
            # A defect in one answer must not end the microVM.
            log.exception("host.defect", extra={"method": method})
            raise RpcError(RpcCode.INTERNAL_ERROR, f"a defect: {defect!r}") from defect

    async def _ignore(self, method: str, params: JsonObject) -> None:
        """A client has nothing to tell unasked."""

    def _initialize(self, params: JsonObject) -> InitializeResult:
        asked = InitializeParams.model_validate(params, extra="ignore").protocol_version
        if asked != PROTOCOL_VERSION:
            raise BboxError(
                ErrorCode.PROTOCOL_MISMATCH,
                cause=f"The session's host speaks version {PROTOCOL_VERSION}, not {asked}.",
                remediation="Finish the session with the bbox that started it, or discard it.",
            )
        return InitializeResult(
            protocol_version=PROTOCOL_VERSION, version=self._host.services.version
        )

    async def _run(self, params: RunParams) -> SessionMessage:
        request = run_request(params, dict(self._host.services.environ))
        return session_message(await self._host.run(request, terminal_size(params.terminal)))

    async def _get(self, _: SessionParams) -> SessionMessage:
        return session_message(self._host.record())

    async def _stop(self, params: StopParams) -> SessionMessage:
        record = await self._host.stop(now=params.mode is HowToStop.NOW)
        return session_message(record)

    async def _discard(self, _: SessionParams) -> Done:
        await self._host.discard()
        return DONE

    async def _subscribe(self, params: SubscribeParams) -> Done:
        if self._following is not None:
            self._following.cancel()
        await self._network.attend(answers=params.answers_network)
        self._following = self._start(self._host.hub.follow(params.from_seq, self._send_event))
        return DONE

    async def _unsubscribe(self, _: UnsubscribeParams) -> Done:
        if self._following is not None:
            self._following.cancel()
            self._following = None
        await self._network.attend(answers=False)
        return DONE

    async def _open(self, params: TerminalOpenParams) -> TerminalOpened:
        terminal = self._host.terminal
        view = terminal.open(params.from_byte, terminal_size(params.size))
        self._views[view.name] = (terminal, view)
        opened = TerminalOpened(
            terminal=view.name,
            from_byte=view.position,
            end_byte=terminal.end,
            window=WINDOW_BYTES,
        )
        self._pump_tasks.add(self._start(self._pump(terminal, view)))
        return opened

    async def _input(self, params: TerminalInputParams) -> Done:
        terminal, view = self._view(params.terminal)
        data = from_base64(params.data)
        if data:
            await terminal.type(view, data)
        if params.end and terminal.size() is None:
            await terminal.type(view, b"")
        return DONE

    async def _resize(self, params: TerminalResizeParams) -> Done:
        terminal, view = self._view(params.terminal)
        size = terminal_size(params.size)
        assert size is not None  # noqa: S101 (the message has one)
        terminal.resize(view, size)
        return DONE

    async def _ack(self, params: TerminalAckParams) -> Done:
        terminal, view = self._view(params.terminal)
        terminal.ack(view, params.byte)
        return DONE

    async def _close(self, params: TerminalCloseParams) -> Done:
        terminal, view = self._view(params.terminal)
        terminal.close(view)
        del self._views[view.name]
        return DONE

    def _view(self, name: str) -> tuple[SharedTerminal, TerminalView]:
        found = self._views.get(name)
        if found is None:
            raise BboxError(
                ErrorCode.SESSION_STATE,
                cause=f"This client has no view {name[:32]!r} of the terminal.",
                remediation="Open the terminal again.",
            )
        return found

    def _close_views(self) -> None:
        for terminal, view in self._views.values():
            terminal.close(view)
        self._views.clear()

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        assert self._tasks is not None  # noqa: S101 (requests are answered within `serve`)
        return self._tasks.create_task(work)

    async def _send_event(self, event: SessionEvent) -> None:
        await self._peer.notify("bbox/event", event_message(event).to_object())

    async def _pump(self, terminal: SharedTerminal, view: TerminalView) -> None:
        session = self._host.services.session

        async def send(begin: int, data: bytes, stream: OutputStream) -> None:
            message = TerminalData(
                session=session,
                terminal=view.name,
                from_byte=begin,
                data=to_base64(data),
                stream=stream,
            )
            await self._peer.notify("bbox/terminal/data", message.to_object())

        end = await terminal.pump(view, send)
        ended = TerminalEnded(session=session, terminal=view.name, end_byte=end)
        if view.name in self._views:
            await self._peer.notify("bbox/terminal/ended", ended.to_object())
