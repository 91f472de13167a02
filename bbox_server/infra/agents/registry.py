# SPDX-License-Identifier: Apache-2.0
"""The agents that come with bbox: one file each, in `builtin/`."""

from dataclasses import dataclass, field
from importlib import resources
from typing import Final

from typing_extensions import override

from bbox_server.domain.agent import Agent, AgentName, AgentRegistry, agent_name, unknown_agent
from bbox_server.infra.agents.decode import decode_agent
from bbox_server.infra.agents.document import Document

IMAGE_REGISTRY: Final = "ghcr.io/stacklok/brood-box"
"""The one place that says where agents' images are pulled from; a local build has the same name."""


def _read() -> dict[AgentName, Agent]:
    agents = {}
    for file in resources.files(__package__).joinpath("builtin").iterdir():
        if file.name.endswith(".yaml"):
            document = Document.parse(file.read_bytes(), place=file.name)
            agent = decode_agent(document, IMAGE_REGISTRY)
            agents[agent.name] = agent
    return agents


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinAgents(AgentRegistry):
    """The files, read once."""

    agents: dict[AgentName, Agent] = field(default_factory=_read)

    @override
    def get(self, name: str) -> Agent:
        agent = self.agents.get(agent_name(name))
        if agent is None:
            raise unknown_agent(name, tuple(self.agents))
        return agent

    @override
    def list(self) -> tuple[Agent, ...]:
        return tuple(self.agents[name] for name in sorted(self.agents))
