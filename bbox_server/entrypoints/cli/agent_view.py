# SPDX-License-Identifier: Apache-2.0
"""All of an agent, for people (compat CLI-41)."""

from collections.abc import Iterable, Iterator, Mapping

from bbox_server.application.resolve_config import ResolvedConfig
from bbox_server.domain.agent import Agent
from bbox_server.domain.config.problem import Layer


def agent_rows(
    agent: Agent, resolved: ResolvedConfig, environ: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Labels and texts; of variables the names alone."""
    is_custom = agent.name in resolved.agents.custom

    def source(key: str) -> str:
        origin = resolved.origins.get(("agents", agent.name, key))
        return f"  [{origin or (Layer.BUILT_IN.value if not is_custom else 'default')}]"

    yield "Name", agent.name
    yield "Type", "custom" if is_custom else "built-in"
    yield "Description", agent.description or "none"
    yield "Image", f"{agent.image}{source('image')}"
    yield "Command", f"{' '.join(agent.command)}{source('command')}"
    unattended = (*agent.unattended, *agent.unattended_env)
    yield "Without asking", " ".join(unattended) or "its own way of asking is left alone"
    yield "Env forward", f"{_listed(agent.env_forward)}{source('env_forward')}"
    yield "Default env", _listed(agent.env)
    required = [
        f"{name} {'present' if environ.get(name) else 'MISSING'}" for name in agent.env_required
    ]
    yield "Required env", _listed(required)
    machine = agent.resources
    yield (
        "Resources",
        f"{machine.cpus} CPUs, {machine.memory_mib} MiB, /tmp {machine.tmp_size_mib} MiB",
    )
    section = resolved.config.agent(agent.name)
    profile = section.egress_profile or resolved.config.defaults.egress_profile
    yield "Network", f"{profile or 'standard'}{source('egress_profile')}"
    for name, hosts in agent.egress_hosts.items():
        yield f"Hosts, {name}", _listed(hosts)
    for provider in agent.providers:
        how = "its key stays on this machine" if provider.routed else "reached directly"
        yield f"Provider {provider.id}", f"{how}; {_listed(provider.hosts)}"
    yield "Logins kept", _listed(agent.credential_paths)
    settings = [f"{entry.category or 'settings'} {entry.host_path}" for entry in agent.settings]
    yield "Settings", _listed(settings)


def _listed(words: Iterable[object]) -> str:
    return ", ".join(map(str, words)) or "none"
