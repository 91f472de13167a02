# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath

import pytest

from bbox_server.domain.agent import (
    Access,
    Agent,
    AgentFile,
    AgentName,
    AgentProvider,
    MemoryShares,
    ProviderAccess,
    agent_name,
    derive_name,
    unknown_agent,
    vm_name,
)
from bbox_server.domain.credential import PlaceholderToken, ProviderId
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import parse_reference
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath

OPENAI = ProviderId("openai")
OTHER = ProviderId("other")
API = HostRule(name="api.example.com")
SHARED = HostRule(name="login.example.com")
GUEST_WORKSPACE = HostPath("/workspace")
ACCESS: Access = {
    OPENAI: ProviderAccess(base_url="http://gw/v1", placeholder=PlaceholderToken("stand-in"))
}
AGENT = Agent(
    name=AgentName("a"),
    description="An agent",
    image=parse_reference("example.com/a"),
    command=("a",),
    unattended=("--yes",),
    env={"FIXED": "1"},
    memory=MemoryShares(node_heap=75, go_limit=70),
    providers=(
        AgentProvider(id=OPENAI, hosts=(API, SHARED), env={"URL": "${openai_base_url}/x"}),
        AgentProvider(id=OTHER, hosts=(SHARED,)),
    ),
    hosts=(HostRule(name="always.example.com"),),
    files=(
        AgentFile(
            path=PurePosixPath(".a/config"), template="${workspace} ${openai_placeholder} $$5"
        ),
    ),
)


def test_the_agents_own_approvals_are_off_unless_asked_for() -> None:
    assert AGENT.argv(("x",)) == ("a", "--yes", "x")
    assert AGENT.argv(("x",), ask=True) == ("a", "x")


def test_the_environment_points_to_served_providers() -> None:
    env = AGENT.environment(ACCESS, 4096)

    assert env["URL"] == "http://gw/v1/x"
    assert env["FIXED"] == "1"


def test_without_a_proxy_the_environment_points_nowhere() -> None:
    assert "URL" not in AGENT.environment({}, 4096)


def test_runtimes_are_told_their_share_of_the_memory() -> None:
    env = AGENT.environment({}, 4001)

    assert env["NODE_OPTIONS"] == "--max-old-space-size=3000"
    assert env["GOMEMLIMIT"] == "2800MiB"


def test_files_are_filled_in() -> None:
    (file,) = AGENT.guest_files(ACCESS, GUEST_WORKSPACE)

    assert file.path == PurePosixPath(".a/config")
    assert file.content == b"/workspace stand-in $5"


def test_a_file_that_needs_a_provider_that_is_not_served_is_left_out() -> None:
    assert AGENT.guest_files({}, GUEST_WORKSPACE) == ()


def test_a_served_providers_hosts_are_not_reached_directly() -> None:
    names = [rule.name for rule in AGENT.locked_hosts(frozenset({OPENAI}))]

    assert names == ["login.example.com", "always.example.com"]


def test_without_a_proxy_each_host_is_listed_once() -> None:
    assert len(AGENT.locked_hosts(frozenset())) == 3


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a.b", "é", "a\n", "a" * 65, "../x"])
def test_a_name_that_no_agent_can_have_is_refused(name: str) -> None:
    with pytest.raises(BboxError, match="invalid agent name") as caught:
        agent_name(name)

    assert caught.value.code is ErrorCode.AGENT_INVALID_NAME


@pytest.mark.parametrize("name", ["claude-code", "a", "9x", "A_b-C", "a" * 64])
def test_a_name_that_an_agent_can_have_is_itself(name: str) -> None:
    assert agent_name(name) == name


def test_an_unknown_agent_brings_the_nearest_name() -> None:
    error = unknown_agent("Codx", (AgentName("codex"), AgentName("gemini")))

    assert "Did you mean codex?" in error.remediation


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("ghcr.io/me/Aider-Bbox:latest", "aider-bbox"),
        ("registry.example.com:5000/foo/bar", "bar"),
        ("ghcr.io/acme/tool@sha256:abcdef", "tool"),
        ("a/b/c.d.e:v1", "c-d-e"),
        ("ghcr.io/acme/---:1", "run-image"),
        ("", "run-image"),
    ],
)
def test_a_run_of_an_image_is_named_after_it(image: str, name: str) -> None:
    assert derive_name(image) == name


def test_a_vm_is_named_after_agent_workspace_and_session() -> None:
    session = SessionId("00")

    assert vm_name("hermes", HostPath("/w"), session) == "sandbox-hermes-d1bb8ca3-00"
    assert vm_name("codex", HostPath(""), session) == "sandbox-codex-00"
