# SPDX-License-Identifier: Apache-2.0
"""Failures as JSON-RPC has them."""

from collections.abc import Awaitable

from pygls.exceptions import JsonRpcException

from bbox_server.domain.error import BboxError, first_error
from bbox_server.wire.frame import JsonObject


async def answered(work: Awaitable[JsonObject]) -> JsonObject:
    """An answer, with failures translated. Raises: JsonRpcException."""
    from bbox_server.wire.peer import RpcError

    try:
        return await work
    except RpcError as error:
        raise JsonRpcException(str(error), int(error.code)) from error
    except BboxError as error:
        raise request_failed(error) from error
    except ExceptionGroup as group:
        found = first_error(group)
        if found is None:
            raise
        raise request_failed(found) from group


def request_failed(error: BboxError) -> JsonRpcException:
    """RequestFailed (LSP 3.17) with the failure as its data."""
    from bbox_server.wire.peer import RpcCode, failed_data

    return JsonRpcException(error.message, int(RpcCode.REQUEST_FAILED), failed_data(error))
