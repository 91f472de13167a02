# SPDX-License-Identifier: Apache-2.0
"""`agents` of the user and of a workspace (compat CFG-33 to CFG-38)."""

from dataclasses import replace
from typing import Final

from bbox_server.domain.config.agent_section import AgentMcpSection, AgentSection
from bbox_server.domain.config.layer import DEFAULT_PROFILE, Baseline
from bbox_server.domain.config.mcp_section import AuthzProfile
from bbox_server.domain.config.merged_values import (
    merged_authz,
    merged_hosts,
    merged_number,
    merged_profile,
    merged_settings,
    merged_switch,
)
from bbox_server.domain.config.narrowing import Narrowing
from bbox_server.domain.config.problem import FindingKind, KeyPath
from bbox_server.domain.config.sections import MAX_CPUS, MAX_MEMORY, MAX_TMP_SIZE
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.environment import intersected

NEW_AGENT: Final = "a workspace can't define an agent; it is ignored"


def merged_agents(merge: Narrowing, baseline: Baseline) -> dict[str, AgentSection]:
    """The user's agents, and the built-in ones that a workspace tightens (P-27)."""
    mine, theirs = merge.mine.config.agents, merge.theirs.config.agents
    known = mine.keys() | baseline.agents.keys()
    for name in sorted(theirs.keys() - known):
        merge.find(FindingKind.IGNORED, ("agents", name), NEW_AGENT)
    merged = {
        name: _agent(merge, name, baseline)
        for name in sorted(mine.keys() | (theirs.keys() & known))
    }
    return {
        name: section
        for name, section in merged.items()
        if name in mine or section != AgentSection()
    }


def _agent(merge: Narrowing, name: str, baseline: Baseline) -> AgentSection:
    path = ("agents", name)
    mine, theirs = merge.mine.config.agent(name), merge.theirs.config.agent(name)
    kept = replace(
        mine,
        image=merge.refused((*path, "image"), mine.image, theirs.image),
        description=merge.refused((*path, "description"), mine.description, theirs.description),
        command=merge.refused((*path, "command"), mine.command, theirs.command),
        default_env=merge.refused((*path, "default_env"), mine.default_env, theirs.default_env),
        env_required=merge.refused((*path, "env_required"), mine.env_required, theirs.env_required),
        credentials=replace(
            mine.credentials,
            persist=merge.refused(
                (*path, "credentials", "persist"),
                mine.credentials.persist,
                theirs.credentials.persist,
            ),
        ),
        settings=merge.refused((*path, "settings"), mine.settings, theirs.settings),
        # Who says where a key is sent says who gets it.
        providers=merge.refused((*path, "providers"), mine.providers, theirs.providers),
        egress_hosts=merge.refused((*path, "egress_hosts"), mine.egress_hosts, theirs.egress_hosts),
    )
    return _tightened(merge, path, kept, theirs, baseline)


def _tightened(
    merge: Narrowing, path: KeyPath, mine: AgentSection, theirs: AgentSection, baseline: Baseline
) -> AgentSection:
    defaults, network = merge.mine.config.defaults, merge.mine.config.network
    held = baseline.resources_of(str(path[-1]))
    return replace(
        mine,
        env_forward=_env_forward(merge, path, mine, theirs, baseline),
        cpus=merged_number(
            merge,
            (*path, "cpus"),
            (mine.cpus, theirs.cpus),
            base=defaults.cpus or held.cpus,
            limit=MAX_CPUS,
        ),
        memory=merged_number(
            merge,
            (*path, "memory"),
            (mine.memory, theirs.memory),
            base=defaults.memory or held.memory_mib,
            limit=MAX_MEMORY,
        ),
        tmp_size=merged_number(
            merge,
            (*path, "tmp_size"),
            (mine.tmp_size, theirs.tmp_size),
            base=defaults.tmp_size or held.tmp_size_mib,
            limit=MAX_TMP_SIZE,
        ),
        egress_profile=_profile(merge, path, mine, theirs),
        allow_hosts=merged_hosts(
            merge,
            (*path, "allow_hosts"),
            (mine.allow_hosts, theirs.allow_hosts),
            also=network.allow_hosts or (),
        ),
        mcp=_mcp(merge, path, mine.mcp, theirs.mcp),
        settings_import=merged_settings(
            merge, (*path, "settings_import"), mine.settings_import, theirs.settings_import
        ),
    )


def _profile(
    merge: Narrowing, path: KeyPath, mine: AgentSection, theirs: AgentSection
) -> EgressProfile | None:
    """The user's `defaults` are a floor under what is set here (P-28)."""
    floor = merge.mine.config.defaults.egress_profile
    return merged_profile(
        merge,
        (*path, "egress_profile"),
        (mine.egress_profile, theirs.egress_profile),
        base=floor or DEFAULT_PROFILE,
    )


def _env_forward(
    merge: Narrowing, path: KeyPath, mine: AgentSection, theirs: AgentSection, baseline: Baseline
) -> tuple[str, ...] | None:
    """A workspace's patterns, as far as the user's, or the agent's own, let them (CFG-35)."""
    path = (*path, "env_forward")
    if theirs.env_forward is None:
        return merge.kept(path, mine.env_forward)
    allowed = mine.env_forward
    if allowed is None:
        allowed = baseline.env_forward_of(str(path[1]))
    narrowed = intersected(allowed, theirs.env_forward)
    beyond = [pattern for pattern in theirs.env_forward if pattern.strip() not in narrowed]
    if beyond and merge.trusted:
        text = f"forwards {', '.join(beyond)}"
        return merge.taken(FindingKind.WIDENED, path, theirs.env_forward, text)
    if beyond:
        merge.find(FindingKind.WIDENS, path, f"forwards {', '.join(beyond)}")
    text = f"forwards only {', '.join(narrowed) or 'nothing'}"
    return merge.taken(FindingKind.TIGHTENED, path, narrowed, text)


def _mcp(
    merge: Narrowing, path: KeyPath, mine: AgentMcpSection, theirs: AgentMcpSection
) -> AgentMcpSection:
    path, whole = (*path, "mcp"), merge.mine.config.mcp
    return AgentMcpSection(
        enabled=merged_switch(
            merge,
            (*path, "enabled"),
            (mine.enabled, theirs.enabled),
            base=whole.enabled is not False,
        ),
        mode=merge.refused((*path, "mode"), mine.mode, theirs.mode),
        authz=merged_authz(
            merge,
            (*path, "authz", "profile"),
            (mine.authz.profile, theirs.authz.profile),
            base=whole.authz.profile or AuthzProfile.FULL_ACCESS,
        ),
        inject=merge.refused((*path, "inject"), mine.inject, theirs.inject),
    )
