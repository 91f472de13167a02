# SPDX-License-Identifier: Apache-2.0
"""When a request is asked again, and when it must not be."""

import json
import ssl
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey

from bbox_server.infra.credential.connecting import PAUSES_S, connected
from tests.infra.credential.provider import Guest, serving, until_events

PLACE = ConnectionKey("api.example.com", 443, True, True, None, None, None, None)  # noqa: FBT003 (aiohttp's own tuple)
REFUSED = aiohttp.ClientConnectorError(PLACE, ConnectionRefusedError())
WRONG_NAME = aiohttp.ClientConnectorCertificateError(PLACE, ssl.SSLCertVerificationError())


@dataclass
class Provider:
    """Fails so often, and then answers; remembers how long was waited."""

    failures: list[Exception]
    asked: int = 0
    waited: list[float] = field(default_factory=list)

    async def ask(self) -> str:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    async def pause(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.mark.parametrize("times", range(len(PAUSES_S) + 1))
async def test_a_connection_that_does_not_come_about_is_tried_again(times: int) -> None:
    provider = Provider([REFUSED] * times)
    assert await connected(provider.ask, provider.pause) == "answer"
    assert provider.waited == list(PAUSES_S[:times])


async def test_it_is_tried_no_more_often_than_that() -> None:
    provider = Provider([REFUSED] * 9)
    with pytest.raises(aiohttp.ClientConnectorError):
        await connected(provider.ask, provider.pause)
    assert provider.asked == len(PAUSES_S) + 1


@pytest.mark.parametrize(
    "error",
    [WRONG_NAME, aiohttp.ServerDisconnectedError(), aiohttp.ClientOSError(), TimeoutError()],
)
async def test_anything_else_is_asked_once(error: Exception) -> None:
    provider = Provider([error])
    with pytest.raises(type(error)):
        await connected(provider.ask, provider.pause)
    assert (provider.asked, provider.waited) == (1, [])


async def _post(guest: Guest) -> tuple[int, bytes]:
    async with guest.session.post("http://gateway/openai/v1/responses", data=b"pay") as answer:
        return answer.status, await answer.read()


async def test_a_body_that_was_sent_is_not_sent_again() -> None:
    bodies: list[bytes] = []

    async def take_and_hang_up(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with serving(take_and_hang_up) as guest:
        status, body = await _post(guest)
        await until_events(guest, 1)
    assert (status, bodies) == (502, [b"pay"])
    assert "openai can't be reached" in json.loads(body)["error"]["message"]


async def test_a_connection_that_was_kept_and_is_gone_sends_no_body_twice() -> None:
    bodies: list[bytes] = []

    async def answer_once(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.read())
        if len(bodies) > 1:
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(answer_once) as guest:
        assert (await _post(guest))[0] == 200
        assert (await _post(guest))[0] == 502
    assert bodies == [b"pay", b"pay"]
