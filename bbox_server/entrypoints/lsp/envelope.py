# SPDX-License-Identifier: Apache-2.0
"""A message's envelope, checked before pygls sees it (JSON-RPC 2.0; LSP 3.17, base protocol)."""

from dataclasses import dataclass
from typing import Final

from bbox_server.wire.frame import JsonObject

VERSION: Final = "2.0"
# JSON-RPC 2.0, 5.1, and LSP 3.17
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
NOT_INITIALIZED: Final = -32002
REQUEST_FAILED: Final = -32803

METHOD_LIMIT: Final = 128
"""Characters: pygls keeps names of methods that it has seen."""

_KNOWN: Final = ("jsonrpc", "id", "method", "params", "result", "error")


class RefusedError(Exception):
    """A message that is not taken. `number` is the request's; None where it has none."""

    def __init__(self, code: int, text: str, number: str | int | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.number = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A request (with both), a notification (without a number) or an answer (no method)."""

    method: str | None
    number: str | int | None
    content: JsonObject

    @property
    def is_request(self) -> bool:
        """Whether it is to be answered."""
        return self.method is not None and self.number is not None


def open_envelope(message: JsonObject) -> Envelope:
    """What a message is; members that nobody knows are left out. Raises: RefusedError."""
    number = message.get("id")
    is_number = isinstance(number, str | int) and not isinstance(number, bool)
    if "id" in message and not is_number:
        raise RefusedError(INVALID_REQUEST, "the id is no string and no number")
    known = number if isinstance(number, str | int) else None
    if message.get("jsonrpc") != VERSION:
        raise RefusedError(INVALID_REQUEST, "this is not JSON-RPC 2.0", known)
    content: JsonObject = {name: message[name] for name in _KNOWN if name in message}
    if "method" in message:
        method = _method(message, known)
    elif "result" in message or "error" in message:
        method = None
    else:
        raise RefusedError(INVALID_REQUEST, "neither a method nor a result", known)
    return Envelope(method=method, number=known, content=content)


def _method(message: JsonObject, number: str | int | None) -> str:
    method, params = message["method"], message.get("params")
    if not isinstance(method, str):
        raise RefusedError(INVALID_REQUEST, "the method is no string", number)
    if len(method) > METHOD_LIMIT:
        raise RefusedError(METHOD_NOT_FOUND, f"no method {method[:METHOD_LIMIT]!r}", number)
    if params is not None and not isinstance(params, dict | list):
        raise RefusedError(INVALID_PARAMS, "params: an object is needed", number)
    return method
