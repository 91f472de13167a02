# SPDX-License-Identifier: Apache-2.0
"""Params as the messages that they have to be."""

from typing import Final, TypeVar

from pydantic import ValidationError

from bbox_server.wire.frame import JsonObject
from bbox_server.wire.method import METHODS
from bbox_server.wire.model import Message
from bbox_server.wire.peer import RpcCode, RpcError

_M = TypeVar("_M", bound=Message)

PARAMS: Final = {method.name: method.params for method in METHODS}


def read_params(method: str, params: JsonObject) -> Message:
    """The params as their message. Raises: RpcError, naming every bad field."""
    if method not in PARAMS:
        raise RpcError(RpcCode.METHOD_NOT_FOUND, f"no method {method[:80]!r}")
    return read_message(PARAMS[method], params)


def read_message(kind: type[_M], params: object) -> _M:
    """Params as a message. Raises: RpcError, naming every bad field."""
    try:
        return kind.model_validate(params)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'params'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_context=False, include_input=False)
        )
        raise RpcError(RpcCode.INVALID_PARAMS, "; ".join(faults)) from None
