# SPDX-License-Identifier: Apache-2.0
"""The agents of a config: the built-in ones as the user wants them, and the user's own."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from typing_extensions import override

from bbox_server.domain.agent import (
    Agent,
    AgentName,
    AgentRegistry,
    agent_name,
    unknown_agent,
)
from bbox_server.domain.config.agent_section import AgentSection
from bbox_server.domain.config.custom_agent import custom_agent, custom_faults
from bbox_server.domain.config.effective import overridden
from bbox_server.domain.config.problem import Fault
from bbox_server.domain.config.sections import Config
from bbox_server.domain.error import BboxError, ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredAgents(AgentRegistry):
    """All agents of a config.

    Attributes:
        custom: The names of the user's own.
        faults: What keeps agents of the user's own from running.
    """

    agents: Mapping[AgentName, Agent]
    custom: frozenset[AgentName] = frozenset()
    faults: Mapping[str, tuple[Fault, ...]]

    @override
    def get(self, name: str) -> Agent:
        wanted = agent_name(name)
        if wanted in self.agents:
            return self.agents[wanted]
        if wanted in self.faults:
            raise _unusable(wanted, self.faults[wanted])
        raise unknown_agent(name, tuple(self.agents))

    @override
    def list(self) -> tuple[Agent, ...]:
        return tuple(self.agents[name] for name in sorted(self.agents))


def configured_agents(
    config: Config, built_in: Mapping[AgentName, Agent], *, user: Config | None = None
) -> ConfiguredAgents:
    """Put a config over the agents that there are (compat CFG-50).

    Whether an agent is well defined is judged by the user's own file, where it is given: what a
    workspace tightens must not make an agent disappear (P-26).

    A name without an image that is no built-in agent's changes nothing that there is; it is
    among the faults only when somebody wants to run it.
    """
    agents = dict(built_in)
    custom: set[AgentName] = set()
    faults: dict[str, tuple[Fault, ...]] = {}
    for name, section in config.agents.items():
        if name in built_in:
            agents[AgentName(name)] = overridden(built_in[AgentName(name)], section)
            continue
        found = (
            *_mistyped(name, section, built_in),
            *custom_faults(name, (user or config).agent(name)),
        )
        if found:
            faults[name] = found
        else:
            custom.add(AgentName(name))
            agents[AgentName(name)] = custom_agent(name, section, config.defaults)
    for name, section in (user or config).agents.items():
        agent = agents.get(AgentName(name))
        if agent is not None:
            agents[agent.name] = _with_own_keys(agent, section)
    return ConfiguredAgents(agents=agents, custom=frozenset(custom), faults=faults)


def _mistyped(
    name: str, section: AgentSection, built_in: Mapping[AgentName, Agent]
) -> Iterator[Fault]:
    """An entry without an image was perhaps meant for a built-in agent."""
    near = difflib.get_close_matches(name.lower(), built_in, n=1)
    if near and not section.image:
        yield Fault(path=(), text=f"there is no such agent; did you mean {near[0]}?")


def _with_own_keys(agent: Agent, section: AgentSection) -> Agent:
    """A name that the user's own file spells out is no accident of a pattern."""
    spelled = {name for name in section.env_forward or () if not name.endswith("*")}
    return replace(agent, own_keys=tuple(sorted(spelled & set(agent.env_forward))))


def _unusable(name: str, faults: tuple[Fault, ...]) -> BboxError:
    return BboxError(
        ErrorCode.AGENT_INVALID,
        cause=f"agent {name} is in the config, but: {'; '.join(fault.text for fault in faults)}.",
        remediation="Correct it; `bbox config validate` says where it stands.",
    )
