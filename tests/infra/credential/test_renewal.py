# SPDX-License-Identifier: Apache-2.0
"""Renewing a login on disk at an endpoint on loopback, with others about."""

import asyncio
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.error import ErrorCode
from bbox_server.domain.held_login import HeldLogin, LoginForm, LoginPlace, fingerprint
from bbox_server.domain.secret import Secret
from bbox_server.infra.credential.renewal import LoginRenewal, Renewed
from bbox_server.infra.credential.token_endpoint import EndpointAnswer, ask_endpoint
from tests.infra.credential.login_provider import Home, LoginProvider, login_file
from tests.infra.credential.provider import provider

STALE = fingerprint(Secret(value="access-1"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def login_at(port: int, place: LoginPlace = LoginPlace.HOME) -> HeldLogin:
    return HeldLogin(
        agent="claude-code",
        form=LoginForm.CLAUDE,
        place=place,
        endpoint=f"http://127.0.0.1:{port}/v1/oauth/token",
    )


def renewal(home: Home) -> LoginRenewal:
    return LoginRenewal(files=home.files, environment={})


async def renew(home: Home, there: LoginProvider, place: LoginPlace = LoginPlace.HOME) -> Renewed:
    async with provider(there.answer) as port:
        return await asyncio.to_thread(renewal(home), login_at(port, place), STALE)


async def test_a_saved_login_is_renewed_in_the_store(home: Home) -> None:
    saved = home.root / "config/agent-state/claude-code/.claude/.credentials.json"
    saved.parent.mkdir(parents=True)
    saved.write_bytes(login_file(1, 0))
    renewed = await renew(home, LoginProvider(), LoginPlace.SAVED)
    assert renewed.token is not None
    assert renewed.token.access.value == "access-2"
    assert json.loads(saved.read_bytes())["claudeAiOauth"]["accessToken"] == "access-2"


async def test_four_sessions_at_once_ask_the_endpoint_once(home: Home) -> None:
    home.log_in(1, 0)
    there = LoginProvider()
    async with provider(there.answer) as port, asyncio.TaskGroup() as group:
        login = login_at(port)
        tasks = [
            group.create_task(asyncio.to_thread(renewal(home), login, STALE)) for _ in range(4)
        ]
        await asyncio.wait(tasks)
    tokens = [task.result().token for task in tasks]
    assert {token.access.value for token in tokens if token is not None} == {"access-2"}
    assert there.renewals == ["refresh-1"]


async def test_the_agent_on_this_host_may_have_been_quicker(home: Home) -> None:
    home.log_in(1, 0)
    there = LoginProvider(number=2)
    there.before_renewal = lambda: home.log_in(2, (time.time() + 3600) * 1000)
    renewed = await renew(home, there)
    assert renewed.token is not None
    assert renewed.token.access.value == "access-2"


async def test_what_the_endpoint_knows_no_more_is_not_shown_to_it_again(home: Home) -> None:
    home.log_in(1, 0)
    there = LoginProvider(number=9)
    async with provider(there.answer) as port:
        renewing = renewal(home)
        first, second = [await asyncio.to_thread(renewing, login_at(port), STALE) for _ in range(2)]
        assert there.renewals == ["refresh-1"]
        home.log_in(9, (time.time() + 3600) * 1000)
        third = await asyncio.to_thread(renewing, login_at(port), STALE)
    for failed in (first, second):
        assert failed.failure is not None
        assert failed.failure.code is ErrorCode.CREDENTIAL_LOGIN_EXPIRED
    assert third.token is not None


@dataclass
class Answering:
    """An endpoint that answers so."""

    status: int = 200
    body: bytes = b"{}"
    reason: str = ""

    def ask(self, _: str, __: Mapping[str, str], ___: Mapping[str, str]) -> EndpointAnswer:
        return EndpointAnswer(status=self.status, body=self.body, reason=self.reason)


@pytest.mark.parametrize(
    ("answering", "said"),
    [
        (Answering(body=b"<html>"), "the endpoint's answer has no token"),
        (Answering(body=b'{"access_token": "a b", "expires_in": 1}'), "has no token"),
        (Answering(status=429), "the endpoint answered 429"),
        (Answering(status=302), "the endpoint answered 302"),
        (Answering(status=0, reason="timed out"), "timed out"),
    ],
)
def test_what_is_no_renewal_leaves_the_login_alone(
    home: Home, answering: Answering, said: str
) -> None:
    home.log_in(1, 0)
    before = home.file.read_bytes()
    renewed = LoginRenewal(files=home.files, environment={}, ask=answering.ask)(login_at(9), STALE)
    assert renewed.failure is not None
    assert renewed.failure.code is ErrorCode.CREDENTIAL_LOGIN_UNREACHABLE
    assert said in renewed.failure.cause
    assert home.file.read_bytes() == before


def test_an_endpoint_that_echoes_the_refresh_token_does_not_put_it_in_a_message(
    home: Home,
) -> None:
    home.log_in(1, 0)
    body = json.dumps({"error": {"message": "no refresh-1 \x1b[31m", "type": "x"}}).encode()
    answering = Answering(status=401, body=body)
    renewed = LoginRenewal(files=home.files, environment={}, ask=answering.ask)(login_at(9), STALE)
    assert renewed.failure is not None
    assert "(no *** \\x1b[31m)" in renewed.failure.cause


def test_a_login_that_can_not_be_kept_is_used_and_told(home: Home) -> None:
    home.log_in(1, 0)
    body = b'{"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600}'

    def ask(_: str, __: Mapping[str, str], ___: Mapping[str, str]) -> EndpointAnswer:
        home.file.unlink()
        home.file.mkdir()
        (home.file / "in-the-way").touch()
        return EndpointAnswer(status=200, body=body)

    renewed = LoginRenewal(files=home.files, environment={}, ask=ask)(login_at(9), STALE)
    assert renewed.token is not None
    assert "can't be kept in ~/.claude/.credentials.json" in renewed.warning
    assert [path.name for path in home.file.parent.iterdir()] == [home.file.name]


def test_a_link_in_the_place_of_a_login_is_not_followed(home: Home) -> None:
    home.log_in(1, 0)
    elsewhere = home.root / "elsewhere"
    home.file.rename(elsewhere)
    home.file.symlink_to(elsewhere)
    renewed = LoginRenewal(files=home.files, environment={}, ask=Answering().ask)(
        login_at(9), STALE
    )
    assert renewed.failure is not None
    assert "is gone" in renewed.failure.cause


def test_root_leaves_a_users_file_to_the_user(home: Home) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    home.log_in(1, 0)
    os.chown(home.file, 1234, 5678)
    home.files.replace(login_at(9), b"{}")
    found = home.file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 5678, 0o600)


async def test_the_users_proxy_leads_to_the_endpoint_and_no_redirect_is_followed() -> None:
    there = LoginProvider(failure=(302, ""))
    async with provider(there.answer) as port:
        answer = await asyncio.to_thread(
            ask_endpoint,
            "http://login.example/v1/oauth/token",
            {"refresh_token": "refresh-1"},
            {"http_proxy": f"http://127.0.0.1:{port}"},
        )
    assert answer.status == 302
    assert there.renewals == ["refresh-1"]


def test_nobody_at_the_endpoint_is_said_so() -> None:
    answer = ask_endpoint("http://127.0.0.1:9/v1/oauth/token", {}, {})
    assert (answer.status, answer.reason) == (0, "[Errno 111] Connection refused")
