# SPDX-License-Identifier: Apache-2.0
"""One end of a JSON-RPC 2.0 connection, over asyncio's streams."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode, first_error
from bbox_server.domain.session import Failure
from bbox_server.wire.frame import FrameError, JsonObject, encode_frame, read_frame
from bbox_server.wire.session import FailureMessage, failure_message

IN_FLIGHT_LIMIT: Final = 1024
"""Requests that are worked on at a time; then reading pauses."""


class RpcCode(IntEnum):
    """JSON-RPC 2.0, 5.1, and LSP 3.17."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    REQUEST_CANCELLED = -32800
    REQUEST_FAILED = -32803


class RpcError(Exception):
    """A failure of the protocol itself."""

    def __init__(self, code: RpcCode, message: str) -> None:
        super().__init__(message)
        self.code = code


Handler = Callable[[str, JsonObject], Awaitable[JsonObject]]
"""Answers a request. Raises: RpcError, BboxError."""

Listener = Callable[[str, JsonObject], Awaitable[None]]
"""Takes a notification; the next message is read when it returns."""


class Peer:
    """Sends and answers requests while `serve` runs."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        handler: Handler,
        listener: Listener,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._listener = listener
        self._ids = itertools.count(1)
        self._waiting: dict[object, asyncio.Future[JsonObject]] = {}
        self._answering: dict[object, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(IN_FLIGHT_LIMIT)
        self._is_lost = False

    async def serve(self) -> None:
        """Read until the other end closes, or sends what is no frame."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._read(tasks)
                for task in self._answering.values():
                    task.cancel()
        finally:
            self._is_lost = True
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(_lost())
                    future.exception()  # nobody may be left to look at it
            self._writer.close()

    async def request(self, method: str, params: JsonObject) -> JsonObject:
        """Ask the other end. Raises: what it answers; session.host-failed when it is gone."""
        if self._is_lost:
            raise _lost()
        number = next(self._ids)
        future: asyncio.Future[JsonObject] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send({"id": number, "method": method, "params": params})
            return await future
        except asyncio.CancelledError:
            await self._send({"method": "$/cancelRequest", "params": {"id": number}})
            raise
        finally:
            del self._waiting[number]

    async def notify(self, method: str, params: JsonObject) -> None:
        """Tell the other end; waits while it doesn't read."""
        await self._send({"method": method, "params": params})

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                message = await read_frame(self._reader)
            except FrameError as error:
                await self._send(_failed(None, RpcCode.PARSE_ERROR, str(error)))
                if error.is_synced:
                    continue
                return
            if message is None:
                return
            if "method" in message:
                await self._take(message, tasks)
            else:
                self._settle(message)

    async def _take(self, message: JsonObject, tasks: asyncio.TaskGroup) -> None:
        method, params, number = message["method"], message.get("params"), message.get("id")
        fault = self._fault(message)
        if fault is not None:
            known = number if _is_number(number) else None
            await self._send(_failed(known, RpcCode.INVALID_REQUEST, fault))
        elif not isinstance(method, str) or not isinstance(params, dict):
            return
        elif number is not None:
            await self._slots.acquire()
            task = tasks.create_task(self._answer(number, method, params))
            self._answering[number] = task
            # It has begun when the next message is read: a task that is cancelled before never
            # runs at all, and could not say so.
            await asyncio.sleep(0)
        elif method == "$/cancelRequest":
            self._cancel(params.get("id"))
        else:
            await self._listener(method, params)

    def _fault(self, message: JsonObject) -> str | None:
        """What is wrong with a request; a notification has nobody to tell."""
        number = message.get("id")
        if "id" not in message:
            return None
        if not _is_number(number):
            return "the id is no string and no number"
        if not isinstance(message["method"], str) or not isinstance(message.get("params"), dict):
            return "a method and an object of params are needed"
        return "a request with this id has no answer yet" if number in self._answering else None

    def _cancel(self, number: object) -> None:
        task = self._answering.get(number) if _is_number(number) else None
        if task is not None:
            task.cancel()

    async def _answer(self, number: object, method: str, params: JsonObject) -> None:
        try:
            message = await self._answered(number, method, params)
        except asyncio.CancelledError:
            message = _failed(number, RpcCode.REQUEST_CANCELLED, "cancelled")
        finally:
            self._answering.pop(number, None)
            self._slots.release()
        await self._send(message)

    async def _answered(self, number: object, method: str, params: JsonObject) -> JsonObject:
        try:
            return {"id": number, "result": await self._handler(method, params)}
        except RpcError as error:
            return _failed(number, error.code, str(error))
        except BboxError as error:
            return _failed_request(number, error)
        except ExceptionGroup as group:
            found = first_error(group)
            if found is None:
                raise
            return _failed_request(number, found)

    def _settle(self, message: JsonObject) -> None:
        number = message.get("id")
        future = self._waiting.get(number) if _is_number(number) else None
        if future is None or future.done():
            return
        result, error = message.get("result"), message.get("error")
        if isinstance(result, dict):
            future.set_result(result)
        else:
            future.set_exception(_error(error if isinstance(error, dict) else {}))

    async def _send(self, message: JsonObject) -> None:
        if self._writer.is_closing():
            return
        try:
            self._writer.write(encode_frame({"jsonrpc": "2.0", **message}))
            await self._writer.drain()
        except ConnectionError:
            # The reader sees the end too, and ends all.
            return


def _is_number(number: object) -> bool:
    """Whether it can be a request's id (LSP 3.17)."""
    return isinstance(number, str | int) and not isinstance(number, bool)


def failed_data(error: BboxError) -> JsonObject:
    """A failure as JSON-RPC's `data`."""
    return failure_message(
        Failure(
            code=error.code.value,
            message=error.message,
            cause=error.cause,
            remediation=error.remediation,
            retry=error.retry,
        )
    ).to_object()


def _failed_request(number: object, error: BboxError) -> JsonObject:
    failed = {"code": int(RpcCode.REQUEST_FAILED), "message": error.message}
    return {"id": number, "error": {**failed, "data": failed_data(error)}}


def _failed(number: object, code: RpcCode, message: str) -> JsonObject:
    return {"id": number, "error": {"code": int(code), "message": message}}


def _error(error: JsonObject) -> Exception:
    data = error.get("data")
    if isinstance(data, dict):
        failure = FailureMessage.model_validate(data, extra="ignore")
        return failure_error(failure)
    code = error.get("code")
    known = code if isinstance(code, int) and code in set(RpcCode) else RpcCode.INTERNAL_ERROR
    return RpcError(RpcCode(known), str(error.get("message")))


def failure_error(failure: FailureMessage) -> BboxError:
    """A failure from the wire, to be raised again."""
    try:
        code = ErrorCode(failure.code)
    except ValueError:
        code = ErrorCode.SESSION_HOST_FAILED
    return BboxError(code, cause=failure.cause, remediation=failure.remediation)


def _lost() -> BboxError:
    return BboxError(
        ErrorCode.SESSION_HOST_FAILED,
        cause="The connection to the session's host ended.",
        remediation="The agent's files are kept: `bbox sessions` shows how to go on.",
    )
