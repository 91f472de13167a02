# SPDX-License-Identifier: Apache-2.0
"""Failures as JSON-RPC has them."""

from collections.abc import Awaitable, Callable

from pygls.exceptions import JsonRpcException

from bbox_server.domain.error import BboxError, first_error
from bbox_server.wire.frame import JsonObject

Translate = Callable[[BboxError], JsonRpcException]


async def answered(work: Awaitable[JsonObject], translate: Translate) -> JsonObject:
    """An answer, with failures translated. Raises: JsonRpcException."""
    from bbox_server.wire.peer import RpcError

    try:
        return await work
    except RpcError as error:
        raise JsonRpcException(str(error), int(error.code)) from error
    except BboxError as error:
        raise translate(error) from error
    except ExceptionGroup as group:
        found = first_error(group)
        if found is None:
            raise
        raise translate(found) from group


def request_failed(error: BboxError) -> JsonRpcException:
    """RequestFailed (LSP 3.17) with the failure as its data."""
    return _failed(error, error.message)


def shown_failure(error: BboxError) -> JsonRpcException:
    """The same for clients that know nothing of our data: they show the message alone."""
    return _failed(error, f"{error.message} {error.cause} {error.remediation}")


def _failed(error: BboxError, text: str) -> JsonRpcException:
    from bbox_server.wire.peer import RpcCode, failed_data

    return JsonRpcException(text, int(RpcCode.REQUEST_FAILED), failed_data(error))
