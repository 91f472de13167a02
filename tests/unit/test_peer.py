# SPDX-License-Identifier: Apache-2.0
"""JSON-RPC between two ends of a socket, and against what is none."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.wire.frame import FrameError, JsonObject, encode_frame, read_frame
from bbox_server.wire.peer import Peer, RpcCode, RpcError


async def handle(method: str, params: JsonObject) -> JsonObject:
    match method:
        case "echo":
            return params
        case "wait":
            await asyncio.sleep(3600)
        case "fail":
            raise BboxError(ErrorCode.SESSION_BUSY, cause="It is.", remediation="Wait.")
        case _:
            raise RpcError(RpcCode.METHOD_NOT_FOUND, f"no {method}")
    return {}


async def ignore(method: str, params: JsonObject) -> None:
    assert method
    assert params is not None


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Peer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A peer that is served by another one, and a raw end that nobody reads for us."""
    near, far = socket.socketpair()
    client_reader, client_writer = await asyncio.open_unix_connection(sock=near)
    server_reader, server_writer = await asyncio.open_unix_connection(sock=far)
    server = Peer(server_reader, server_writer, handler=handle, listener=ignore)
    client = Peer(client_reader, client_writer, handler=handle, listener=ignore)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve())
        try:
            yield client, client_reader, client_writer
        finally:
            client_writer.close()
            serving.cancel()


@contextlib.asynccontextmanager
async def talking() -> AsyncIterator[Peer]:
    async with pair() as (client, _, _), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(client.serve())
        yield client
        reading.cancel()


async def test_requests_are_answered() -> None:
    async with talking() as client:
        assert await client.request("echo", {"a": "ü\udcff"}) == {"a": "ü\udcff"}


async def test_a_failure_arrives_as_it_was_raised() -> None:
    async with talking() as client:
        with pytest.raises(BboxError) as raised:
            await client.request("fail", {})
        assert raised.value.code is ErrorCode.SESSION_BUSY
        assert (raised.value.cause, raised.value.remediation) == ("It is.", "Wait.")
        with pytest.raises(RpcError):
            await client.request("nonsense", {})


async def test_a_request_that_nobody_waits_for_is_cancelled_at_the_other_end() -> None:
    async with pair() as (_, reader, writer):
        writer.write(encode_frame({"id": 1, "method": "wait", "params": {}}))
        cancel: JsonObject = {"method": "$/cancelRequest", "params": {"id": 1}}
        writer.write(encode_frame(cancel))
        message = await read_frame(reader)
    assert message is not None
    assert message["error"] == {"code": -32800, "message": "cancelled"}


@pytest.mark.parametrize("garbage", [b"x" * 100_000, b"Content-Length: 99999999999\r\n\r\n"])
async def test_what_is_no_frame_is_told_and_ends_the_connection(garbage: bytes) -> None:
    async with pair() as (_, reader, writer):
        writer.write(garbage)
        message = await read_frame(reader)
        assert message is not None
        assert message["id"] is None
        assert await read_frame(reader) is None


@pytest.mark.parametrize(
    "message",
    [
        {"id": [1], "method": "echo", "params": {}},
        {"id": None, "method": "echo", "params": {}},
        {"id": 7, "method": "echo"},
        {"id": 7, "method": ["echo"], "params": {}},
        {"id": {}, "result": {}},
        {"method": "$/cancelRequest", "params": {"id": [1]}},
        {"method": 5, "params": {}},
    ],
    ids=repr,
)
async def test_what_is_no_request_is_survived(message: JsonObject) -> None:
    async with pair() as (_, reader, writer):
        writer.write(encode_frame(message))
        writer.write(encode_frame({"id": 1, "method": "echo", "params": {"a": 1}}))
        answer = await read_frame(reader)
        if "id" in message and "method" in message:
            assert answer is not None
            assert answer["error"] == {"code": -32600, "message": answer["error"]["message"]}  # type: ignore[index]  # an object
            answer = await read_frame(reader)
        assert answer == {"jsonrpc": "2.0", "id": 1, "result": {"a": 1}}


async def test_an_id_is_in_use_until_its_answer() -> None:
    async with pair() as (_, reader, writer):
        for method in ("wait", "echo"):
            writer.write(encode_frame({"id": 1, "method": method, "params": {}}))
        answer = await read_frame(reader)
        assert answer is not None
        assert answer["error"]["code"] == -32600  # type: ignore[index]  # an object


async def test_a_peer_that_is_gone_fails_what_waits() -> None:
    async with pair() as (client, _, writer), asyncio.TaskGroup() as tasks:
        tasks.create_task(client.serve())
        waiting = tasks.create_task(outcome(client))
        await asyncio.sleep(0)
        writer.close()
        assert await waiting is ErrorCode.SESSION_HOST_FAILED


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["id", "method", "params", "result", "error", "x"]),
                inner,
                max_size=5,
            )
        ),
        max_leaves=10,
    )
)
def test_any_message_is_survived(message: object) -> None:
    body = json.dumps(message).encode()

    async def answered() -> object:
        async with pair() as (_, reader, writer):
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
            writer.write(encode_frame({"id": "last", "method": "echo", "params": {"a": 1}}))
            while (answer := await read_frame(reader)) is not None and answer["id"] != "last":
                pass
            return answer and answer["result"]

    assert asyncio.run(answered()) == {"a": 1}


async def outcome(client: Peer) -> ErrorCode | None:
    try:
        await client.request("wait", {})
    except BboxError as error:
        return error.code
    return None


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_a_frame_error(data: bytes) -> None:
    async def read() -> None:
        reader = asyncio.StreamReader(limit=64)
        reader.feed_data(data)
        reader.feed_eof()
        with contextlib.suppress(FrameError):
            while await read_frame(reader) is not None:
                pass

    asyncio.run(read())
