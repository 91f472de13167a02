# SPDX-License-Identifier: Apache-2.0
"""One config file as it was read, and what it is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.agent import Agent, AgentName, AgentResources
from bbox_server.domain.config.problem import Finding, KeyPath, Layer, Origin, Position
from bbox_server.domain.config.sections import Config
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.workspace import Digest

DEFAULT_PROFILE: Final = EgressProfile.STANDARD
"""Where nothing else is said (architecture.md, Where we go further)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigLayer:
    """A file's values.

    Attributes:
        file: As it is shown.
        positions: Where each value stands.
        findings: What was wrong with it, and has been left out.
        digest: Of the file's bytes; None without a file.
    """

    config: Config = field(default_factory=Config)
    layer: Layer
    file: str = ""
    positions: Mapping[KeyPath, Position] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    digest: Digest | None = None

    def origin(self, path: KeyPath) -> Origin:
        """Where a value stands, or what it stands in."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.positions:
                return Origin(layer=self.layer, file=self.file, position=self.positions[path[:end]])
        return Origin(layer=self.layer, file=self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What holds where the user says nothing: "wider" is measured against it."""

    agents: Mapping[AgentName, Agent] = field(default_factory=dict)

    @property
    def resources(self) -> AgentResources:
        """What no agent gets less than, unasked."""
        all_of = [agent.resources for agent in self.agents.values()] or [AgentResources()]
        return AgentResources(
            cpus=min(resources.cpus for resources in all_of),
            memory_mib=min(resources.memory_mib for resources in all_of),
            tmp_size_mib=min(resources.tmp_size_mib for resources in all_of),
        )

    def resources_of(self, agent: str) -> AgentResources:
        """What one agent gets; a custom one gets the same as the built-in ones."""
        found = self.agents.get(AgentName(agent))
        return found.resources if found else AgentResources()

    def env_forward_of(self, agent: str) -> tuple[str, ...]:
        """What one agent forwards; a custom one nothing."""
        found = self.agents.get(AgentName(agent))
        return found.env_forward if found else ()
