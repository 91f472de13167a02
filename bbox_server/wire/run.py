# SPDX-License-Identifier: Apache-2.0
"""Agents and the start of a run on the wire (protocol.md)."""

from collections.abc import Set as AbstractSet
from enum import StrEnum

from pydantic import Field

from bbox_server.domain.agent import Agent
from bbox_server.domain.config.agents import ConfiguredAgents
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.image import ImageReference, PullPolicy
from bbox_server.wire.model import Message

# What a terminal can be, so that nobody makes the guest allocate for millions of cells.
CELLS_LIMIT = 4096
PORTS_LIMIT = 65535


class NoParams(Message):
    """Nothing to say; an object all the same."""


class Done(Message):
    """Nothing to answer but that it is done."""


class AgentSource(StrEnum):
    """Where an agent is defined."""

    BUILT_IN = "built-in"
    CONFIG = "config"
    LIBRARY = "library"


class AgentMessage(Message):
    """An agent; `missing` says what has to be got, or put right, before it can run."""

    name: str
    description: str
    image: str
    source: AgentSource
    available: bool
    missing: tuple[str, ...] = ()


class AgentsMessage(Message):
    """The agents, by name."""

    agents: tuple[AgentMessage, ...]


class TerminalSizeMessage(Message):
    """Character cells."""

    cols: int = Field(ge=1, le=CELLS_LIMIT)
    rows: int = Field(ge=1, le=CELLS_LIMIT)


class ServiceMessage(Message):
    """An HTTP service at a port of this machine's 127.0.0.1.

    The guest finds it at http://NAME.bbox.internal:PORT.
    """

    name: str
    port: int = Field(ge=1, le=PORTS_LIMIT)


class RunOptions(Message):
    """How to run; what is left out is the agent's default.

    `ports` are HOST:GUEST, and lead from this machine's 127.0.0.1 into the guest. `services` are
    for the guest, beside those of the user's config.
    """

    cpus: int | None = Field(default=None, ge=1)
    memory_mib: int | None = Field(default=None, ge=1)
    tmp_size_mib: int | None = Field(default=None, ge=1)
    egress_profile: EgressProfile | None = None
    allow_hosts: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    services: tuple[ServiceMessage, ...] = ()
    env_forward: tuple[str, ...] = ()
    program: str | None = None
    ask: bool = False
    config_file: str | None = None
    git_token: bool | None = None
    git_ssh_agent: bool | None = None
    save_login: bool = True
    seed_login: bool = False
    log_in: bool = False
    trace: bool = False
    workspace_mode: WorkspaceMode | None = None
    acknowledge_direct: bool = False
    import_settings: bool = True
    pull: PullPolicy | None = None
    image_cache: bool = True
    name: str | None = None


class RunParams(Message):
    """Start an agent, or `args` in any image, on a workspace (file: URI).

    Without `terminal` the agent runs on pipes, as in a script.
    """

    workspace_uri: str
    agent: str | None = None
    image: str | None = None
    args: tuple[str, ...] = ()
    options: RunOptions = RunOptions()
    terminal: TerminalSizeMessage | None = None


def agents_message(
    configured: ConfiguredAgents, present: AbstractSet[ImageReference]
) -> AgentsMessage:
    """All agents, by name; also those of the user's own that can't run, with what is wrong."""
    sources = dict.fromkeys(configured.custom, AgentSource.CONFIG)
    found = [
        agent_message(
            agent,
            has_image=agent.image in present,
            source=sources.get(agent.name, AgentSource.BUILT_IN),
        )
        for agent in configured.list()
    ]
    found += [
        AgentMessage(
            name=name,
            description="",
            image="",
            source=AgentSource.CONFIG,
            available=False,
            missing=tuple(fault.text for fault in faults),
        )
        for name, faults in configured.faults.items()
    ]
    return AgentsMessage(agents=tuple(sorted(found, key=lambda agent: agent.name)))


def agent_message(agent: Agent, *, has_image: bool, source: AgentSource) -> AgentMessage:
    """An agent for a client."""
    return AgentMessage(
        name=agent.name,
        description=agent.description,
        image=str(agent.image),
        source=source,
        available=has_image,
        missing=() if has_image else (f"image {agent.image}",),
    )
