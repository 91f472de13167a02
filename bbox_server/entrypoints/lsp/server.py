# SPDX-License-Identifier: Apache-2.0
"""The language server: what it offers, and how its messages come in."""

import asyncio
import logging
from functools import cached_property
from typing import Any, Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from typing_extensions import override

from bbox_server.domain.gateway import Notice
from bbox_server.entrypoints.lsp.client import Client
from bbox_server.entrypoints.lsp.envelope import (
    INVALID_PARAMS,
    PARSE_ERROR,
    Envelope,
    RefusedError,
    open_envelope,
)
from bbox_server.entrypoints.lsp.failure import answered, request_failed, shown_failure
from bbox_server.entrypoints.lsp.gate import EXIT
from bbox_server.entrypoints.lsp.hosts import Hosts
from bbox_server.entrypoints.lsp.names import (
    CALLER_METHODS,
    COMMANDS,
    HOST_METHODS,
    LARGE_ANSWERS,
    RUN,
)
from bbox_server.entrypoints.lsp.owned_tasks import OwnedTasks
from bbox_server.entrypoints.lsp.protocol import BboxProtocol, plain_converter
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.entrypoints.lsp.terminals import OPEN, Terminals
from bbox_server.entrypoints.lsp.transport import StreamsWriter, next_body
from bbox_server.wire.frame import FrameError, JsonObject, decode_body

NAME: Final = "bbox-server"
LARGE_AT_ONCE: Final = 4
"""Answers of up to 22 MiB that are made before the client has read the ones before."""

log = logging.getLogger(__name__)


class BboxServer(LanguageServer):
    """Registers the methods; `serve` carries one client's messages."""

    protocol: BboxProtocol

    def __init__(self, services: LspServices) -> None:
        super().__init__(
            name=NAME,
            version=services.version,
            # What is unsaved in the editor is not written over.
            text_document_sync_kind=types.TextDocumentSyncKind.Incremental,
            protocol_cls=BboxProtocol,
            converter_factory=plain_converter,
        )
        self._services = services
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._terminals = Terminals()
        for method in (*CALLER_METHODS, *HOST_METHODS, RUN):
            self._offer(method)
        for command in COMMANDS:
            self._offer_command(command)
        self._offer_review()

    @override
    def report_server_error(self, error: Exception, source: Any) -> None:
        # The client has it as the answer, or sent what has none.
        log.warning("lsp.error", extra={"error_type": type(error).__name__})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Answer until the client leaves; returns the process's exit code (LSP 3.17, exit)."""
        self._stream = StreamsWriter(writer)
        self.protocol.set_writer(self._stream)
        async with asyncio.TaskGroup() as group:

            async def forward(notice: Notice) -> None:
                await self._stream.drain()
                if await self._terminals.admits(notice):
                    self.protocol.notify(notice.method, dict(notice.params))

            self._tasks = OwnedTasks(group)
            self._client = Client(self.protocol, self._stream)
            self._hosts = Hosts(self._services.gateway, self._tasks, forward)
            await self._read(reader)
            self._tasks.close()
        self._stream.close()
        return 0 if self.protocol.gate.is_shut_down else 1

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            await self._stream.drain()
            try:
                body = await next_body(reader)
                if body is None or self._take(body):
                    return
            except FrameError as error:
                self._refuse(RefusedError(PARSE_ERROR, str(error)))
            except RefusedError as error:
                self._refuse(error)

    def _take(self, body: bytes) -> bool:
        """Whether it was the last message. Raises: FrameError, RefusedError."""
        envelope = open_envelope(decode_body(body))
        if envelope.method == EXIT:
            return True
        if self.protocol.gate.admit(envelope, len(body)):
            self._handle(envelope)
        return False

    def _handle(self, envelope: Envelope) -> None:
        try:
            message = self.protocol.structure_message(envelope.content)
        except JsonRpcException as error:
            if envelope.is_request:
                self.protocol.gate.answered(envelope.number or 0)
                text = error.message or "the params are not those of the method"
                raise RefusedError(INVALID_PARAMS, text, envelope.number) from error
            return
        self.protocol.handle_message(message)

    def _refuse(self, refused: RefusedError) -> None:
        error = {"code": refused.code, "message": str(refused)}
        answer = {"jsonrpc": "2.0", "id": refused.number, "error": error}
        self.protocol._send_data(answer)  # noqa: SLF001 (pygls has no other way to say it)

    def _offer(self, method: str) -> None:
        async def answer(params: Any) -> JsonObject:  # noqa: ANN401 (JSON, checked by the handler)
            if method in LARGE_ANSWERS:
                await self._take_turn()
            if method == OPEN:
                return await self._open_terminal(params)
            return await answered(self._commands.handlers.request(method, params), request_failed)

        self.feature(method)(answer)

    async def _open_terminal(self, params: Any) -> JsonObject:  # noqa: ANN401 (as above)
        number, answer = self.protocol.msg_id, dict[str, object]()
        assert number is not None  # noqa: S101 (only requests come here)
        self._terminals.opening()

        def on_its_way() -> None:
            session = params.get("session") if isinstance(params, dict) else None
            self._terminals.answered(session, answer.get("terminal"))

        self.protocol.gate.after(number, on_its_way)
        answer |= await answered(self._commands.handlers.request(OPEN, params), request_failed)
        return answer

    async def _take_turn(self) -> None:
        """Wait until there is room for a large answer; the turn ends when it is on its way."""
        number = self.protocol.msg_id
        assert number is not None  # noqa: S101 (only requests come here)
        await self._large.acquire()
        self.protocol.gate.after(number, self._large.release)
        await self._stream.drain()

    def _offer_command(self, name: str) -> None:
        async def run(params: types.ExecuteCommandParams) -> JsonObject:
            first = params.arguments[0] if params.arguments else {}
            work = self._commands.execute(name, first, params.work_done_token)
            return await answered(work, shown_failure)

        self.command(name)(run)

    def _offer_review(self) -> None:
        kinds = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

        async def actions(params: types.CodeActionParams) -> Any:  # noqa: ANN401 (one of two lists)
            return self._commands.actions(params)

        def cancel(params: types.WorkDoneProgressCancelParams) -> None:
            self._client.cancelled(params.token)

        async def opened(params: types.DidOpenTextDocumentParams) -> None:
            # Where no command was used there is nothing to show, and nothing to load for it.
            if "_commands" in self.__dict__:
                await self._commands.opened(params.text_document.uri)

        self.feature(types.TEXT_DOCUMENT_CODE_ACTION, kinds)(actions)
        self.feature(types.TEXT_DOCUMENT_DID_OPEN)(opened)
        self.feature(types.WINDOW_WORK_DONE_PROGRESS_CANCEL)(cancel)

    @cached_property
    def _commands(self) -> Any:  # noqa: ANN401 (its modules are imported late)
        # pydantic and the messages: not needed to answer `initialize`.
        from bbox_server.entrypoints.lsp.buffers import Buffers
        from bbox_server.entrypoints.lsp.commands import Commands
        from bbox_server.entrypoints.lsp.handlers import Handlers

        handlers = Handlers(self._services, self._hosts)
        buffers = Buffers(self.protocol)
        return Commands(self._services, handlers, self._client, buffers, self._tasks)
