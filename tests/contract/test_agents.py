# SPDX-License-Identifier: Apache-2.0
"""What every registry of agents keeps to."""

import pytest

from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.agents.registry import BuiltinAgents
from tests.fakes.agent import FakeAgentRegistry, simple_agent


@pytest.fixture(params=["fake", "builtin"])
def registry(request: pytest.FixtureRequest) -> AgentRegistry:
    if request.param == "fake":
        return FakeAgentRegistry([simple_agent("gemini"), simple_agent("codex")])
    return BuiltinAgents()


def test_an_agent_is_found_by_its_name(registry: AgentRegistry) -> None:
    assert registry.get("codex").command == ("codex",)


def test_an_unknown_agent_is_refused_with_the_nearest_name(registry: AgentRegistry) -> None:
    with pytest.raises(BboxError) as caught:
        registry.get("codxe")

    assert caught.value.code is ErrorCode.AGENT_UNKNOWN
    assert "Did you mean codex?" in caught.value.remediation


def test_a_name_that_no_agent_can_have_is_refused(registry: AgentRegistry) -> None:
    with pytest.raises(BboxError) as caught:
        registry.get("../codex")

    assert caught.value.code is ErrorCode.AGENT_INVALID_NAME


def test_the_list_is_ordered_by_name(registry: AgentRegistry) -> None:
    names = [agent.name for agent in registry.list()]

    assert names == sorted(names)
    assert {"codex", "gemini"} <= set(names)
