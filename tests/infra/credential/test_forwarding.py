# SPDX-License-Identifier: Apache-2.0
"""Requests of a guest through the proxy's real process to a provider on loopback."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from tests.infra.credential.provider import (
    KEY,
    PLACEHOLDER,
    Guest,
    echo,
    proxied,
    serving,
    until_events,
)


@pytest.fixture
async def guest() -> AsyncIterator[Guest]:
    async with serving(echo) as running:
        yield running


async def test_the_provider_gets_the_key_and_never_the_placeholder(guest: Guest) -> None:
    status, body = await guest.ask(headers={"x-api-key": PLACEHOLDER, "Cookie": "a=b"})
    got = json.loads(body)
    assert status == 200
    assert PLACEHOLDER not in body.decode()
    assert [v for n, v in got["headers"] if n.lower() == "authorization"] == [
        # The provider of this test echoes it, and the proxy masks it on its way to the guest.
        f"Bearer {'*' * len(KEY)}"
    ]
    assert "cookie" not in {name.lower() for name, _ in got["headers"]}


async def test_a_request_keeps_method_path_query_and_body(guest: Guest) -> None:
    url = "http://gateway/openai/v1/responses?stream=true"
    async with guest.session.post(url, data=b"\0body") as answer:
        got = json.loads(await answer.read())
    assert (got["method"], got["path"]) == ("POST", "/v1/responses?stream=true")
    assert bytes.fromhex(got["body"]) == b"\0body"


async def test_a_compressed_body_passes_as_it_is(guest: Guest) -> None:
    packed = gzip.compress(b"x" * 1000)
    headers = {"Content-Encoding": "gzip"}
    async with guest.session.post(
        "http://gateway/openai/v1/x", data=packed, headers=headers
    ) as answer:
        got = json.loads(await answer.read())
    assert bytes.fromhex(got["body"]) == packed


async def test_a_client_that_waits_for_100_continue_is_told_to_go_on(guest: Guest) -> None:
    async with guest.session.post(
        "http://gateway/openai/v1/x", data=b"late", expect100=True
    ) as answer:
        assert bytes.fromhex(json.loads(await answer.read())["body"]) == b"late"


async def test_a_request_is_reported_with_its_sizes(guest: Guest) -> None:
    async with guest.session.post("http://gateway/openai/v1/x?q=private", data=b"12345") as answer:
        body = await answer.read()
    await until_events(guest, 1)
    ((_, fields),) = guest.observer.events
    assert (fields["method"], fields["path"]) == ("POST", "/openai/v1/x?q")
    assert (fields["status"], fields["up_bytes"], fields["down_bytes"]) == (200, 5, len(body))


async def test_a_method_that_the_proxy_does_not_know_is_refused(guest: Guest) -> None:
    status, _ = await guest.ask(method="PURGE")
    assert status == 405


async def test_server_sent_events_arrive_one_by_one() -> None:
    received = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await received.wait()
        await response.write(b"data: 2\n\n")
        return response

    async with serving(stream) as guest, guest.session.get("http://gateway/openai/v1/x") as answer:
        assert await answer.content.readany() == b"data: 1\n\n"
        received.set()
        assert await answer.content.read() == b"data: 2\n\n"


async def test_an_upload_reaches_the_provider_while_it_is_sent() -> None:
    arrived = asyncio.Event()

    async def take(request: web.Request) -> web.StreamResponse:
        await request.content.readany()
        arrived.set()
        return web.Response(text=str(len(await request.content.read())))

    async def slow() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"second"

    async with (
        serving(take) as guest,
        guest.session.post("http://gateway/openai/v1/x", data=slow()) as answer,
    ):
        assert await answer.read() == b"6"


async def test_a_large_body_passes_both_ways_whole() -> None:
    async def mirror(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        async for chunk in request.content.iter_any():
            await response.write(chunk)
        return response

    body = bytes(range(256)) * 40_000
    upload = io.BytesIO(body)
    async with (
        serving(mirror) as guest,
        guest.session.post("http://gateway/openai/v1/x", data=upload) as answer,
    ):
        assert await answer.read() == body


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_an_error_of_the_provider_passes_with_its_body(status: int) -> None:
    async def fail(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=b'{"error": 1}', headers={"Retry-After": "7"})

    async with serving(fail) as guest, guest.session.get("http://gateway/openai/v1/x") as answer:
        assert (answer.status, await answer.read()) == (status, b'{"error": 1}')
        assert answer.headers["Retry-After"] == "7"


async def test_a_redirect_is_not_followed() -> None:
    async def redirect(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "https://elsewhere.example/"})

    async with serving(redirect) as guest:
        url = "http://gateway/openai/v1/x"
        async with guest.session.get(url, allow_redirects=False) as answer:
            assert answer.status == 307


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "DELETE"), (304, "GET")])
async def test_an_answer_without_a_body_ends(status: int, method: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with serving(answer) as guest:
        assert await guest.ask(method=method) == (status, b"")


async def test_a_provider_that_can_not_be_reached_is_said_so() -> None:
    async with proxied("http://127.0.0.1:9/v1") as guest:
        status, body = await guest.ask()
        await until_events(guest, 1)
    assert status == 502
    assert "openai can't be reached" in json.loads(body)["error"]["message"]
    assert guest.observer.events[0][1]["refused"] == "upstream"


async def test_an_answer_that_breaks_off_breaks_off_for_the_guest_too() -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"part")
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(break_off) as guest:
        with pytest.raises(aiohttp.ClientPayloadError):
            await guest.ask()
        await until_events(guest, 1)
    assert guest.observer.events[0][1]["refused"] == "interrupted"


async def test_a_guest_that_goes_away_ends_its_request_at_the_provider() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def wait(_: web.Request) -> web.StreamResponse:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError

    async with serving(wait, cancels=True) as guest:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await guest.ask()
        async with asyncio.timeout(10):
            await gone.wait()
    assert asked.is_set()


async def test_more_requests_at_once_than_an_agent_makes_are_refused() -> None:
    release = asyncio.Event()

    async def wait(_: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    statuses: list[int] = []

    async with serving(wait) as guest, asyncio.timeout(20):

        async def ask() -> None:
            status, _ = await guest.ask()
            statuses.append(status)
            release.set()

        async with asyncio.TaskGroup() as group:
            for _ in range(80):
                group.create_task(ask())
    assert statuses.count(503) == 16
    assert statuses.count(200) == 64
