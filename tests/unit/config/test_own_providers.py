# SPDX-License-Identifier: Apache-2.0
"""Providers of the user's own: what their config may say, and what no workspace may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.agent import Agent, AgentName, ProviderAccess
from bbox_server.domain.config.agents import configured_agents
from bbox_server.domain.config.problem import FindingKind
from bbox_server.domain.config.provider_section import env_fault, id_fault
from bbox_server.domain.credential import BEARER, KeyHeader, PlaceholderToken, ProviderId
from bbox_server.domain.forwarding import is_key_header
from tests.unit.config.configs import BASELINE, kinds, merged, user

ENV = '{T_URL: "${base_url}/x", T_KEY: "${placeholder}"}'
OWN = f"{{base_url: 'https://api.acme.dev/v1/', key: ACME_KEY, env: {ENV}}}"


def configured(provider: str = OWN, agent: str = "codex") -> Agent:
    mine = user(f"agents: {{{agent}: {{providers: {{acme: {provider}}}}}}}")
    assert mine.findings == ()
    return configured_agents(mine.config, BASELINE.agents).agents[AgentName(agent)]


def test_an_agent_gets_the_provider_beside_its_own() -> None:
    agent = configured()
    assert [provider.id for provider in agent.providers] == ["openai", "acme"]
    route = agent.providers[-1].own_route
    assert route is not None
    assert (route.mount, route.upstream) == ("/own/acme", "https://api.acme.dev/v1")
    assert route.credential.environment_names == ("ACME_KEY",)
    assert route.credential.header == BEARER


def test_the_agents_variables_lead_to_the_proxy() -> None:
    access = {
        ProviderId("acme"): ProviderAccess(
            base_url="http://gw/own/acme", placeholder=PlaceholderToken("stand-in")
        )
    }
    assert configured().provider_environment(access) == {
        "T_URL": "http://gw/own/acme/x",
        "T_KEY": "stand-in",
    }


@pytest.mark.parametrize(
    ("written", "header"),
    [
        ("header: X-Acme-Key", KeyHeader(name="X-Acme-Key")),
        ("header: authorization", KeyHeader(name="authorization", prefix="Bearer ")),
        ('prefix: "Token "', KeyHeader(name="Authorization", prefix="Token ")),
        ('prefix: ""', KeyHeader(name="Authorization")),
    ],
)
def test_the_key_goes_where_the_config_says(written: str, header: KeyHeader) -> None:
    route = (
        configured(OWN.replace("{base_url", f"{{{written}, base_url", 1)).providers[-1].own_route
    )
    assert route is not None
    assert route.credential.header == header


def test_one_of_the_same_name_is_replaced() -> None:
    mine = user(f"agents: {{hermes: {{providers: {{nous: {OWN}}}}}}}")
    agent = configured_agents(mine.config, BASELINE.agents).agents[AgentName("hermes")]
    (nous,) = (provider for provider in agent.providers if provider.id == "nous")
    assert nous.own_route is not None


@pytest.mark.parametrize("mine", ["", f"agents: {{codex: {{providers: {{acme: {OWN}}}}}}}"])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_workspace_defines_and_changes_no_provider(mine: str, trusted: bool) -> None:  # noqa: FBT001 (a case of a table)
    evil = OWN.replace("api.acme.dev", "evil.example").replace("ACME_KEY", "OPENAI_API_KEY")
    theirs = f"agents: {{codex: {{providers: {{acme: {evil}}}}}}}"
    merge = merged(mine, theirs, trusted=trusted)
    assert kinds(merge) == [FindingKind.IGNORED]
    assert merge.findings[0].path == ("agents", "codex", "providers")
    assert merge.config.agent("codex").providers == user(mine).config.agent("codex").providers


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            ("https://api", "http://api"),
            "f:3:24: agents.codex.providers.acme.base_url: 'http://api",
        ),
        (("ACME_KEY", "sk-123"), "providers.acme.key: key is the name of the variable"),
        (("base_url:", "header: Host, base_url:"), "'Host' is no header that can carry a key"),
        (("base_url:", "header: 'A b', base_url:"), "'A b' is no header"),
        (("base_url:", 'prefix: "a\\nb", base_url:'), "prefix: a prefix is up to 40"),
        (("base_url:", "colour: red, base_url:"), "colour: unknown field"),
        (("base_url: 'https://api.acme.dev/v1/', ", ""), "acme.base_url: it is missing"),
        (("${placeholder}", "x"), "no variable has ${placeholder}"),
        (("${base_url}", "${base}"), "${base} is unknown"),
        (("T_URL", "T URL"), "'T URL' is no variable's name"),
        (("${base_url}", "$ x"), "has a lone $"),
    ],
)
def test_a_fault_is_told_with_its_place(changed: tuple[str, str], says: str) -> None:
    text = f"agents:\n  codex:\n    providers: {{acme: {OWN}}}\n"
    layer = user(text.replace(*changed, 1))
    (found,) = layer.findings
    assert says in str(found).replace("config.yaml", "f")
    assert not layer.config.agent("codex").providers


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("openai", "its base URL is the variable OPENAI_BASE_URL"),
        ("Acme", "no provider's name"),
        ("a/../b", "no provider's name"),
    ],
)
def test_a_name_of_a_known_provider_or_of_none_is_refused(name: str, says: str) -> None:
    text = f"agents:\n  codex:\n    providers: {{{name}: {OWN}}}\n"
    layer = user(text)
    assert any(says in str(one) for one in layer.findings), layer.findings
    assert all(one.origin.position is not None for one in layer.findings)
    assert name not in (layer.config.agent("codex").providers or {})


@given(st.text(max_size=40))
def test_any_name_is_a_plain_segment_of_a_path_or_refused(name: str) -> None:
    assert id_fault(name) or (name.isascii() and not set(name) & set("/.%? #"))


@given(st.text(max_size=40))
def test_any_header_is_a_token_or_refused(name: str) -> None:
    assert not is_key_header(name) or (name.isascii() and not set(name) & set(": \r\n,;"))


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=30), max_size=3))
def test_any_templates_are_judged(env: dict[str, str]) -> None:
    assert (
        env_fault({**env, "U": "${base_url}", "P": "${placeholder}"})
        == env_fault({"U": "${base_url}", "P": "${placeholder}", **env})
        or {"U", "P"} & env.keys()
    )
