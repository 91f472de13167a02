# SPDX-License-Identifier: Apache-2.0
"""What a config means for one agent, or for an image without one (compat CFG-40, CFG-41)."""

from dataclasses import dataclass, replace

from bbox_server.domain.agent import Agent
from bbox_server.domain.config.agent_section import AgentSection
from bbox_server.domain.config.layer import DEFAULT_PROFILE
from bbox_server.domain.config.provider_section import with_providers
from bbox_server.domain.config.sections import (
    MAX_CPUS,
    MAX_MEMORY,
    MAX_TMP_SIZE,
    Config,
    DefaultsSection,
)
from bbox_server.domain.egress.profile import EgressProfile, strictest
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.environment import merged_patterns
from bbox_server.domain.image import parse_reference
from bbox_server.domain.settings import SettingsImport


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What holds for a run before its flags; None leaves it to the agent and the machine."""

    cpus: int | None
    memory_mib: int | None
    tmp_size_mib: int | None
    egress_profile: EgressProfile
    allow_hosts: tuple[HostRule, ...]
    settings: SettingsImport


def effective(config: Config, name: str | None) -> Effective:
    """For an agent; without a name for an image's own command."""
    section = config.agent(name) if name is not None else AgentSection()
    defaults = config.defaults
    hosts = (*(config.network.allow_hosts or ()), *(section.allow_hosts or ()))
    return Effective(
        cpus=_within(section.cpus or defaults.cpus, MAX_CPUS),
        memory_mib=_within(section.memory or defaults.memory, MAX_MEMORY),
        tmp_size_mib=_within(section.tmp_size or defaults.tmp_size, MAX_TMP_SIZE),
        egress_profile=effective_profile(None, section, defaults),
        allow_hosts=tuple(dict.fromkeys(hosts)),
        settings=config.settings_import.tightened(section.settings_import),
    )


def _within(value: int | None, limit: int) -> int | None:
    """CFG-18; a merged config is within the limits already."""
    return None if value is None else min(value, limit)


def effective_profile(
    own: EgressProfile | None, section: AgentSection, defaults: DefaultsSection
) -> EgressProfile:
    """The strictest of what is set: `defaults` are a floor (P-28), an override only tightens."""
    return strictest(own, section.egress_profile, defaults.egress_profile) or DEFAULT_PROFILE


def overridden(agent: Agent, section: AgentSection) -> Agent:
    """An agent as the user wants it; an empty list of variables forwards none (P-24)."""
    return replace(
        agent,
        image=parse_reference(section.image) if section.image else agent.image,
        description=section.description or agent.description,
        command=section.command or agent.command,
        # They are words of the agent's own command, and this is another one.
        unattended=() if section.command else agent.unattended,
        unattended_env={} if section.command else agent.unattended_env,
        env_forward=agent.env_forward if section.env_forward is None else section.env_forward,
        env={**agent.env, **(section.default_env or {})},
        providers=with_providers(agent, section.providers),
        env_required=merged_patterns(agent.env_required, section.env_required or ()),
    )
