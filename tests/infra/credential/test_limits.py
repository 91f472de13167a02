# SPDX-License-Identifier: Apache-2.0
"""What a guest is told when it asks for more than the user's limits let it."""

import json

from aiohttp import web

from bbox_server.domain.key_limits import KeyLimits
from tests.infra.credential.provider import echo, serving, until_events


async def test_a_used_up_budget_is_told_and_reported_and_never_asked_again() -> None:
    async with serving(echo, limits=KeyLimits(requests=1)) as guest:
        assert (await guest.ask())[0] == 200
        status, body = await guest.ask()
        await until_events(guest, 2)
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (403, "budget")
    assert error["message"] == "bbox: The session's 1 requests (keys.requests) are used up."
    assert guest.observer.events[1][1]["refused"] == "budget"


async def test_too_fast_is_told_with_the_time_to_wait() -> None:
    url = "http://gateway/openai/v1/x"
    async with serving(echo, limits=KeyLimits(requests_per_minute=1)) as guest:
        assert (await guest.ask())[0] == 200
        async with guest.session.get(url) as answer:
            assert answer.status == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
        await until_events(guest, 2)
    assert guest.observer.events[1][1]["refused"] == "rate"


async def test_data_counts_both_ways() -> None:
    async def small(request: web.Request) -> web.StreamResponse:
        await request.read()  # what nobody reads may not be sent, and is not counted
        return web.Response(body=b"x" * (1 << 19))

    url = "http://gateway/openai/v1/x"
    async with serving(small, limits=KeyLimits(data=1)) as guest:
        async with guest.session.post(url, data=b"x" * (1 << 19)) as answer:
            assert answer.status == 200
            await answer.read()
        await until_events(guest, 1)
        assert (await guest.ask())[0] == 403


async def test_what_the_proxy_refuses_anyway_costs_nothing() -> None:
    async with serving(echo, limits=KeyLimits(requests=1)) as guest:
        assert (await guest.ask("/nowhere"))[0] == 404
        assert (await guest.ask(headers={"Authorization": "Bearer guess"}))[0] == 401
        assert (await guest.ask())[0] == 200
