# SPDX-License-Identifier: Apache-2.0
"""The agents as clients hear of them."""

from bbox_server.domain.config.agents import ConfiguredAgents
from bbox_server.domain.config.problem import Fault
from bbox_server.wire.run import AgentSource, agents_message
from tests.fakes.agent import simple_agent


def test_agents_that_can_not_run_are_listed_with_what_is_wrong() -> None:
    codex, own = simple_agent("codex"), simple_agent("own")
    configured = ConfiguredAgents(
        agents={codex.name: codex, own.name: own},
        custom=frozenset({own.name}),
        faults={"acme": (Fault(path=("image",), text="image is required"),)},
    )
    found = agents_message(configured, frozenset({codex.image})).agents
    assert [(agent.name, agent.source, agent.missing) for agent in found] == [
        ("acme", AgentSource.CONFIG, ("image is required",)),
        ("codex", AgentSource.BUILT_IN, ()),
        ("own", AgentSource.CONFIG, () if own.image == codex.image else (f"image {own.image}",)),
    ]
    assert [agent.available for agent in found] == [False, True, own.image == codex.image]
