# SPDX-License-Identifier: Apache-2.0
"""The language server: what it offers, and how its messages come in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    default_converter,
)
from pygls.protocol.language_server import lsp_method
from typing_extensions import override

from bbox_server.domain.gateway import Notice
from bbox_server.entrypoints.lsp.failure import answered
from bbox_server.entrypoints.lsp.hosts import Hosts
from bbox_server.entrypoints.lsp.names import (
    CALLER_METHODS,
    COMMANDS,
    HOST_METHODS,
    PROTOCOL_VERSION,
    RUN,
)
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.entrypoints.lsp.transport import StreamsWriter, next_message
from bbox_server.wire.frame import FrameError, JsonObject

NAME: Final = "bbox-server"
# JSON-RPC 2.0, 5.1, and LSP 3.17
PARSE_ERROR: Final = -32700
INVALID_PARAMS: Final = -32602
NOT_INITIALIZED: Final = -32002

Request = Callable[[str, object], Awaitable[JsonObject]]
log = logging.getLogger(__name__)


class BboxProtocol(LanguageServerProtocol):
    """Says in `initialize` which version of bbox/* it speaks."""

    @override
    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Any:
        """Add what we are to what pygls answers."""
        result = yield from super().lsp_initialize(params)
        bbox = {"protocolVersion": PROTOCOL_VERSION, "version": self._server.version}
        result.capabilities.experimental = {"bbox": bbox}
        return result


class BboxServer(LanguageServer):
    """Registers the methods; `serve` carries one client's messages."""

    def __init__(self, services: LspServices) -> None:
        super().__init__(
            name=NAME,
            version=services.version,
            protocol_cls=BboxProtocol,
            converter_factory=_converter,
        )
        self._services = services
        self._request: Request | None = None
        for method in (*CALLER_METHODS, *HOST_METHODS, RUN):
            self._offer(method)
        for command in COMMANDS:
            self._offer_command(command)

    @override
    def report_server_error(self, error: Exception, source: Any) -> None:
        # The client has it as the answer, or sent what has none.
        log.warning("lsp.error", extra={"error_type": type(error).__name__})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
        """Answer until the client leaves; returns the process's exit code (LSP 3.17, exit)."""
        stream = StreamsWriter(writer)
        self.protocol.set_writer(stream)
        async with asyncio.TaskGroup() as tasks:

            async def forward(notice: Notice) -> None:
                await stream.drain()
                self.protocol.notify(notice.method, dict(notice.params))

            hosts = Hosts(self._services.gateway, tasks, forward)
            self._hosts = hosts
            await self._read(reader, stream)
            hosts.close()
        stream.close()
        return 0 if self.protocol._shutdown else 1  # noqa: SLF001 (pygls has no other way to ask)

    async def _read(self, reader: asyncio.StreamReader, stream: StreamsWriter) -> None:
        is_initialized = False
        while True:
            await stream.drain()
            try:
                message = await next_message(reader)
            except FrameError as error:
                self._fail(None, PARSE_ERROR, str(error))
                continue
            if message is None or message.get("method") == "exit":
                return
            if not is_initialized and message.get("method") != types.INITIALIZE:
                if "id" in message:
                    self._fail(message["id"], NOT_INITIALIZED, "initialize comes first")
                continue
            is_initialized = True
            self._take(message)

    def _take(self, message: JsonObject) -> None:
        try:
            self.protocol.handle_message(self.protocol.structure_message(message))
        except JsonRpcException as error:
            if "id" in message and "method" in message:
                self._fail(message["id"], INVALID_PARAMS, error.message or "invalid params")

    def _fail(self, number: object, code: int, text: str) -> None:
        error = {"code": code, "message": text}
        self.protocol._send_data({"jsonrpc": "2.0", "id": number, "error": error})  # noqa: SLF001 (as above)

    def _offer(self, method: str) -> None:
        async def answer(params: Any) -> JsonObject:  # noqa: ANN401 (JSON, checked by the handler)
            return await answered(self._handlers().request(method, params))

        self.feature(method)(answer)

    def _offer_command(self, name: str) -> None:
        # pygls takes a function's signature for the types of a command's arguments.
        async def run(*arguments: Any) -> JsonObject:  # noqa: ANN401 (JSON, checked by the handler)
            first = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
            return await answered(self._handlers().command(name, first))

        self.command(name)(run)

    def _handlers(self) -> Any:  # noqa: ANN401 (its module is imported late)
        # pydantic and the messages: not needed to answer `initialize`.
        from bbox_server.entrypoints.lsp.handlers import Handlers

        return Handlers(self._services, self._hosts)


def _converter() -> Any:  # noqa: ANN401 (cattrs's own)
    """pygls's, with params and results left as the JSON that they are."""
    converter: Any = default_converter()  # type: ignore[no-untyped-call] # pygls's own
    for kind, part in (
        (JsonRPCRequestMessage, "params"),
        (JsonRPCNotification, "params"),
        (JsonRPCResponseMessage, "result"),
    ):
        converter.register_structure_hook(kind, _plain(part))
    return converter


def _plain(part: str) -> Callable[[Any, Any], Any]:
    def structure(data: Any, kind: Any) -> Any:  # noqa: ANN401 (cattrs's own)
        return kind(**{part: None, **data})

    return structure
