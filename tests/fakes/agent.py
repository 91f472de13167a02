# SPDX-License-Identifier: Apache-2.0
"""Agents in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.agent import Agent, AgentRegistry, agent_name, unknown_agent
from bbox_server.domain.image import parse_reference


@dataclass
class FakeAgentRegistry(AgentRegistry):
    """The agents that a test gives it."""

    agents: list[Agent] = field(default_factory=list)

    @override
    def get(self, name: str) -> Agent:
        wanted = agent_name(name)
        for agent in self.agents:
            if agent.name == wanted:
                return agent
        raise unknown_agent(name, tuple(agent.name for agent in self.agents))

    @override
    def list(self) -> tuple[Agent, ...]:
        return tuple(sorted(self.agents, key=lambda agent: agent.name))


def simple_agent(name: str) -> Agent:
    """An agent that is a command of its own name, and needs nothing."""
    return Agent(
        name=agent_name(name),
        description=name,
        image=parse_reference(f"example.com/{name}"),
        command=(name,),
    )
