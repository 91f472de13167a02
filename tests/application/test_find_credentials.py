# SPDX-License-Identifier: Apache-2.0
"""What the proxy is given for an agent, on fakes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import pytest

from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.find_credentials import FindCredentials, ProviderCredentials
from bbox_server.domain.agent import Agent, AgentProvider
from bbox_server.domain.credential import BEARER, OPENAI, ROUTES, X_API_KEY, ProviderId
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.held_login import LoginForm, LoginPlace
from bbox_server.domain.run import LoginOptions
from bbox_server.infra.agents.registry import BuiltinAgents
from tests.fakes.agent import simple_agent
from tests.fakes.login import MemoryHostLogins, MemoryLoginStore
from tests.fakes.session import FakeClock, RecordingProgress

CODEX_FILE = PurePosixPath(".codex/auth.json")
CLAUDE_FILE = PurePosixPath(".claude/.credentials.json")
LOGIN = {"access_token": "access", "refresh_token": "refresh", "account_id": "account"}
CODEX_LOGIN = json.dumps({"tokens": LOGIN}).encode()
LASTING = {"CLAUDE_CODE_OAUTH_TOKEN": "lasting"}
CLAUDE_LOGIN = b'{"claudeAiOauth": {"accessToken": "access", "expiresAt": 5000}}'


@dataclass
class Ground:
    store: MemoryLoginStore = field(default_factory=MemoryLoginStore)
    host: MemoryHostLogins = field(default_factory=MemoryHostLogins)
    progress: RecordingProgress = field(default_factory=RecordingProgress)

    def find(
        self,
        agent: str | Agent,
        environ: Mapping[str, str] | None = None,
        options: LoginOptions | None = None,
    ) -> ProviderCredentials:
        found = BuiltinAgents().get(agent) if isinstance(agent, str) else agent
        finder = FindCredentials(store=self.store, host=self.host)
        return finder(found, environ or {}, options or LoginOptions())

    def carry(self, agent: str, options: LoginOptions | None = None) -> bool:
        carrying = CarryLogin(
            store=self.store, host=self.host, clock=FakeClock(), progress=self.progress
        )
        return carrying.load(BuiltinAgents().get(agent), options or LoginOptions()) is not None


@pytest.fixture
def ground() -> Ground:
    return Ground()


def test_a_key_of_the_environment_counts_first(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN}
    (served,) = ground.find("codex", {"OPENAI_API_KEY": "sk-1"}).served
    assert (served.key.value, served.login, served.paths) == ("sk-1", None, ())


def test_the_users_own_login_is_used_where_it_lies(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN}
    (served,) = ground.find("codex").served
    assert served.login is not None
    assert (served.login.place, served.login.form) == (LoginPlace.HOME, LoginForm.CODEX)
    assert served.login.endpoint == "https://auth.openai.com/oauth/token"
    assert served.route.upstream == "https://chatgpt.com/backend-api/codex"
    assert served.route.mount == OPENAI.mount
    assert served.added == (("ChatGPT-Account-Id", "account"),)
    assert "refresh" not in repr(served)


def test_a_login_of_claudes_is_no_key(ground: Ground) -> None:
    ground.host.files = {CLAUDE_FILE: CLAUDE_LOGIN}
    (served,) = ground.find("claude-code").served
    assert served.route.credential.header == BEARER
    assert ROUTES[ProviderId("anthropic")].credential.header == X_API_KEY
    assert served.login is not None
    assert served.login.expires_at_s == 5


def test_the_saved_login_counts_before_the_users_own(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN}
    ground.store.saved = {"codex": {CODEX_FILE: CODEX_LOGIN}}
    (served,) = ground.find("codex").served
    assert served.login is not None
    assert served.login.place is LoginPlace.SAVED
    assert "bbox auth clear codex" in served.login.remedy


def test_a_key_that_codex_keeps_is_a_key_at_the_providers_own_address(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: b'{"OPENAI_API_KEY": "sk-2"}'}
    (served,) = ground.find("codex").served
    assert (served.key.value, served.login, served.route) == ("sk-2", None, OPENAI)


def test_a_lasting_token_stays_here_as_well(ground: Ground) -> None:
    (served,) = ground.find("claude-code", LASTING).served
    assert (served.key.value, served.login) == ("lasting", None)
    assert served.paths == ("/v1/messages", "/v1/models")
    assert served.added == (("anthropic-beta", "oauth-2025-04-20"),)


def test_who_spells_a_lasting_token_out_lets_the_agent_have_it(ground: Ground) -> None:
    agent = replace(BuiltinAgents().get("claude-code"), own_keys=("CLAUDE_CODE_OAUTH_TOKEN",))
    assert ground.find(agent, LASTING).served == ()


@pytest.mark.parametrize("options", [LoginOptions(inside=True), LoginOptions(save=False)])
def test_who_logs_in_inside_or_saves_nothing_gets_no_login_from_here(
    ground: Ground, options: LoginOptions
) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN}
    found = ground.find("codex", options=options)
    assert found.served == ()
    with pytest.raises(BboxError) as raised:
        found.or_login(has_login=False)
    assert raised.value.code is ErrorCode.CREDENTIAL_MISSING
    assert found.or_login(has_login=True) == ()


def test_another_agents_login_is_nobodys_business(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN, CLAUDE_FILE: CLAUDE_LOGIN}
    assert ground.find("opencode").served == ()
    plain = replace(
        simple_agent("own"), providers=(AgentProvider(id=OPENAI.provider, env={"A": "b"}),)
    )
    assert ground.find(plain).served == ()


def test_where_a_login_is_used_is_https(ground: Ground) -> None:
    ground.host.files = {CODEX_FILE: CODEX_LOGIN}
    for name in ("OPENAI_BASE_URL", "CODEX_REFRESH_TOKEN_URL_OVERRIDE"):
        with pytest.raises(BboxError) as raised:
            ground.find("codex", {name: "http://elsewhere.example"})
        assert raised.value.code is ErrorCode.CREDENTIAL_INVALID_ROUTE


def test_a_login_that_can_be_held_goes_into_no_guest(ground: Ground) -> None:
    ground.store.saved = {"codex": {CODEX_FILE: CODEX_LOGIN}}
    assert not ground.carry("codex")
    assert ground.carry("codex", LoginOptions(inside=True))
    assert ground.carry("opencode")


def test_no_guest_leaves_a_login_behind_unless_the_user_logs_in_inside(ground: Ground) -> None:
    assert not ground.carry("codex")
    assert ground.carry("codex", LoginOptions(inside=True))


def test_a_login_of_another_form_is_carried_as_before_and_said_so(ground: Ground) -> None:
    ground.store.saved = {"codex": {CODEX_FILE: b'{"token": "?"}'}}
    assert ground.carry("codex")
    assert ground.progress.warnings == [
        "The saved .codex/auth.json has a form that this host can't hold"
    ]
