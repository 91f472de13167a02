# SPDX-License-Identifier: Apache-2.0
"""A login through the proxy's real process: it is used, renewed, kept, and lost with a word."""

import asyncio
import json
import os
import stat
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bbox_server.domain.session import EventKind
from tests.infra.credential.login_provider import Home, LoginProvider, logged_in
from tests.infra.credential.provider import PLACEHOLDER, Guest, until_events

MESSAGES = "/anthropic/v1/messages"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def in_ms(seconds: float) -> float:
    return (time.time() + seconds) * 1000


def warnings(guest: Guest) -> list[str]:
    return [
        str(fields["text"]) for kind, fields in guest.observer.events if kind is EventKind.WARNING
    ]


def lines(guest: Guest) -> list[tuple[object, ...]]:
    names = ("provider", "method", "path", "status", "refused")
    return [
        tuple(fields[name] for name in names)
        for kind, fields in guest.observer.events
        if kind is EventKind.CREDENTIAL_USED
    ]


async def test_the_access_token_is_put_in_and_masked_on_its_way_back(home: Home) -> None:
    home.log_in(1, in_ms(3600))
    there = LoginProvider()
    async with logged_in(there, home) as guest:
        headers = {"anthropic-beta": "a-1,b-2"}
        status, body = await guest.ask(MESSAGES, headers=headers)
    assert status == 200
    assert there.asked == [("/v1/messages", "Bearer access-1", "a-1,b-2,oauth-2025-04-20")]
    assert there.renewals == []
    assert b"access-1" not in body
    assert PLACEHOLDER.encode() not in body


async def test_a_token_that_ends_is_renewed_before_it_is_used_and_kept(home: Home) -> None:
    home.log_in(1, in_ms(60))
    there = LoginProvider()
    async with logged_in(there, home) as guest:
        assert [(await guest.ask(MESSAGES))[0] for _ in range(2)] == [200, 200]
        await until_events(guest, 3)
    assert there.renewals == ["refresh-1"]
    assert [asked[1] for asked in there.asked] == ["Bearer access-2"] * 2
    kept = json.loads(home.file.read_bytes())
    assert kept["claudeAiOauth"]["refreshToken"] == "refresh-2"
    assert kept["kept"] == 1
    assert stat.S_IMODE(home.file.stat().st_mode) == 0o600
    assert [path.name for path in home.file.parent.iterdir()] == [home.file.name]
    assert lines(guest) == [
        ("anthropic", "POST", "/v1/oauth/token", 200, ""),
        ("anthropic", "GET", MESSAGES, 200, ""),
        ("anthropic", "GET", MESSAGES, 200, ""),
    ]


async def test_two_sessions_renew_a_login_once(home: Home) -> None:
    home.log_in(1, in_ms(60))
    there = LoginProvider()
    async with AsyncExitStack() as stack:
        guests = [await stack.enter_async_context(logged_in(there, home)) for _ in range(2)]
        statuses: list[int] = []

        async def ask(guest: Guest) -> None:
            statuses.append((await guest.ask(MESSAGES))[0])

        async with asyncio.TaskGroup() as group:
            for guest in guests * 4:
                group.create_task(ask(guest))
    assert statuses == [200] * 8
    assert there.renewals == ["refresh-1"]


async def test_a_token_that_another_session_has_replaced_is_taken_up(home: Home) -> None:
    home.log_in(1, in_ms(3600))
    there = LoginProvider(number=2)
    async with logged_in(there, home) as guest:
        home.log_in(2, in_ms(3600))
        status, body = await guest.ask(MESSAGES)
        assert (status, json.loads(body)["error"]["code"]) == (503, "renewed")
        assert (await guest.ask(MESSAGES))[0] == 200
    assert there.renewals == []


async def test_a_login_that_is_not_renewed_any_more_says_what_to_do(home: Home) -> None:
    home.log_in(1, in_ms(-60))
    there = LoginProvider(failure=(400, '{"error": "invalid_grant"}'))
    async with logged_in(there, home) as guest:
        status, body = await guest.ask(MESSAGES)
        await until_events(guest, 3)
    error = json.loads(body)["error"]
    assert (status, error["code"]) == (401, "login")
    said = (
        "The provider does not renew ~/.claude/.credentials.json (invalid_grant). "
        "Run `claude auth login` on this host; the session takes the new login up."
    )
    assert warnings(guest) == [said]
    assert said[1:] in error["message"]
    assert "refresh-1" not in repr(guest.observer.events)


async def test_an_endpoint_that_fails_for_now_is_no_reason_to_log_in_again(home: Home) -> None:
    home.log_in(1, in_ms(-60))
    there = LoginProvider(failure=(503, "later"))
    async with logged_in(there, home) as guest:
        url = f"http://gateway{MESSAGES}"
        async with guest.session.get(url) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
            assert "the endpoint answered 503" in (await answer.json())["error"]["message"]


async def test_what_is_good_for_a_moment_is_used_for_that_moment(home: Home) -> None:
    home.log_in(1, in_ms(60))
    there = LoginProvider(failure=(503, "later"))
    async with logged_in(there, home) as guest:
        assert (await guest.ask(MESSAGES))[0] == 200


async def test_a_provider_that_refuses_a_fresh_token_is_heard(home: Home) -> None:
    home.log_in(1, in_ms(60))
    there = LoginProvider()
    async with logged_in(there, home) as guest:
        assert (await guest.ask(MESSAGES))[0] == 200
        there.number = 9
        status, body = await guest.ask(MESSAGES)
    assert (status, json.loads(body)) == (401, {"error": "stale"})
    assert there.renewals == ["refresh-1"]


@pytest.mark.parametrize(
    "path",
    [
        "/anthropic/api/oauth/claude_cli/create_api_key",
        "/anthropic/v1/oauth/token",
        "/anthropic/v1/messagesx",
        "/anthropic",
    ],
)
async def test_a_login_serves_models_and_not_the_account(home: Home, path: str) -> None:
    home.log_in(1, in_ms(3600))
    there = LoginProvider()
    async with logged_in(there, home) as guest:
        assert (await guest.ask(path))[0] == 403
    assert there.asked == []


async def test_what_renews_a_login_is_not_in_the_process_that_the_guest_talks_to(
    home: Home,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can look into it")
    home.log_in(1, in_ms(60))
    async with logged_in(LoginProvider(), home) as guest:
        assert (await guest.ask(MESSAGES))[0] == 200
        found = _in_memory(guest.process.child.pid, b"access-2", b"refresh-1", b"refresh-2")
    assert found == {b"access-2"}


def _in_memory(pid: int, *needles: bytes) -> set[bytes]:
    found = set()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, mode = line.split()[:2]
            if not mode.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(part, 16) for part in where.split("-"))
            content = os.pread(memory.fileno(), end - start, start)
            found |= {needle for needle in needles if needle in content}
    return found
