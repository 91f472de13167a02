# SPDX-License-Identifier: Apache-2.0
"""pygls's protocol, where it is not what LSP 3.17 asks for or not what bbox/* needs."""

from typing import Any, Final

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    default_converter,
)
from pygls.protocol.language_server import lsp_method
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.entrypoints.lsp.envelope import INVALID_PARAMS
from bbox_server.entrypoints.lsp.failure import shown_failure
from bbox_server.entrypoints.lsp.gate import Gate
from bbox_server.entrypoints.lsp.names import PROTOCOL_VERSION

VERSION_FIELD: Final = "protocolVersion"


class BboxProtocol(LanguageServerProtocol):
    """Agrees on the version of bbox/*, and tells the gate what was answered."""

    def __init__(self, *args: Any) -> None:  # noqa: ANN401 (pygls's own)
        self.gate = Gate()
        super().__init__(*args)

    @override
    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Any:
        """Check the client's version, and say ours."""
        _check_version(params.initialization_options)
        result = yield from super().lsp_initialize(params)
        bbox = {VERSION_FIELD: PROTOCOL_VERSION, "version": self._server.version}
        result.capabilities.experimental = {"bbox": bbox}
        self.gate.is_initialized = True
        return result

    @override
    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *_: Any) -> None:  # type: ignore[override]  # a generator there
        """Cancel what is under way. pygls's own changes a dictionary while it walks it."""
        current = self.msg_id
        for number, future in tuple(self._request_futures.items()):
            if number != current:
                future.cancel()
        self._shutdown = self.gate.is_shut_down = True

    @override
    @lsp_method(types.WORKSPACE_EXECUTE_COMMAND)
    async def lsp_workspace__execute_command(  # type: ignore[override]  # a generator there
        self, params: types.ExecuteCommandParams
    ) -> Any:
        """Call the command with all that the client sent. pygls's own can't be cancelled."""
        command = self.fm.commands.get(params.command)
        if command is None:
            raise JsonRpcException(f"command: there is no {params.command[:80]!r}", INVALID_PARAMS)
        return await command(params)

    @override
    def _send_response(self, msg_id: Any, result: Any = None, error: Any = None) -> None:
        super()._send_response(msg_id, result, error)
        self.gate.answered(msg_id)

    @override
    def _send_handler_result(self, future: Any, *, msg_id: Any) -> None:
        super()._send_handler_result(future, msg_id=msg_id)
        failure = None if future.cancelled() else future.exception()
        if failure is not None:
            # Its frames hold the params, and one of them the future that holds it: such a circle
            # waits for the collector, which counts objects and not bytes.
            failure.__traceback__ = failure.__cause__ = failure.__context__ = None


def plain_converter() -> Any:  # noqa: ANN401 (cattrs's own)
    """pygls's, with params and results of bbox/* left as the JSON that they are."""
    converter: Any = default_converter()  # type: ignore[no-untyped-call] # pygls's own
    for kind, part in (
        (JsonRPCRequestMessage, "params"),
        (JsonRPCNotification, "params"),
        (JsonRPCResponseMessage, "result"),
    ):
        converter.register_structure_hook(kind, _plain(part))
    return converter


def _plain(part: str) -> Any:  # noqa: ANN401 (cattrs's own)
    def structure(data: Any, kind: Any) -> Any:  # noqa: ANN401 (cattrs's own)
        return kind(**{part: None, **data})

    return structure


def _check_version(options: Any) -> None:  # noqa: ANN401 (JSON, as the client sent it)
    """Without pydantic, which is not loaded yet. Raises: JsonRpcException."""
    asked = options.get("bbox") if isinstance(options, dict) else None
    if asked is None:
        return
    field = f"initializationOptions.bbox.{VERSION_FIELD}"
    if not isinstance(asked, dict) or type(asked.get(VERSION_FIELD)) is not int:
        raise JsonRpcException(f"{field}: a number is needed", INVALID_PARAMS)
    unknown = sorted(set(asked) - {VERSION_FIELD})
    if unknown:
        named = "; ".join(f"initializationOptions.bbox.{name[:80]}: unknown" for name in unknown)
        raise JsonRpcException(named, INVALID_PARAMS)
    version = asked[VERSION_FIELD]
    if version != PROTOCOL_VERSION:
        raise shown_failure(
            BboxError(
                ErrorCode.PROTOCOL_MISMATCH,
                cause=f"The editor speaks version {version}, bbox-server {PROTOCOL_VERSION}.",
                remediation="Update the older one of them, then restart the editor.",
            )
        )
