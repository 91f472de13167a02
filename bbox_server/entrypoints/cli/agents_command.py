# SPDX-License-Identifier: Apache-2.0
"""`bbox agents` (compat CLI-40 to CLI-47)."""

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from bbox_server.application.resolve_config import ResolvedConfig
from bbox_server.domain.agent import AgentName, agent_name, unknown_agent
from bbox_server.domain.config.entries import AgentEntries, AgentEntry, Written
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_line, escape_text
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.agent_view import agent_rows
from bbox_server.entrypoints.cli.config_place import config_file
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.machine_commands import list_agents
from bbox_server.entrypoints.cli.services import Services

STARTER: Final = "acme"


async def agents(values: Namespace, services: Services, console: Console) -> int:
    """One of the actions."""
    if values.action == "list":
        return await list_agents(values, services, console)
    return _ACTIONS[values.action](values, services, console)


def _init(values: Namespace, services: Services, console: Console) -> int:
    name = agent_name(values.name or STARTER)
    console.say(_entries(values, services).starter(name).rstrip("\n"))
    return 0


def _add(values: Namespace, services: Services, console: Console) -> int:
    return _write(_named(values), _entry(values), values, services, console)


def _inspect(values: Namespace, services: Services, console: Console) -> int:
    resolved, name = _resolved(values, services), _named(values)
    agent = resolved.agents.get(name)
    rows = list(agent_rows(agent, resolved, services.environ))
    if values.json:
        console.say(json.dumps({"agent": dict(rows)}, indent=2))
        return 0
    for label, text in rows:
        console.say(f"{label + ':':<18} {escape_text(text)}")
    return 0


def _doctor(values: Namespace, services: Services, console: Console) -> int:
    """No system checks: those are `bbox doctor`'s (compat CLI-42)."""
    resolved, name = _resolved(values, services), _named(values)
    if name not in resolved.agents.agents and name not in resolved.agents.faults:
        raise unknown_agent(name, tuple(resolved.agents.agents))
    checks = list(_checks(name, resolved, services))
    is_fine = all(passed for passed, _ in checks)
    if values.json:
        found = [{"ok": passed, "message": text} for passed, text in checks]
        console.say(json.dumps({"agent": name, "ok": is_fine, "checks": found}, indent=2))
    else:
        for passed, text in checks:
            console.say(f"[{'PASS' if passed else 'FAIL'}] {escape_line(text)}")
    return 0 if is_fine else 1


def _checks(
    name: AgentName, resolved: ResolvedConfig, services: Services
) -> Iterator[tuple[bool, str]]:
    faults = resolved.agents.faults.get(name, ())
    kind = (
        "of your own" if name in {*resolved.agents.custom, *resolved.agents.faults} else "built in"
    )
    if not faults:
        yield True, f"{name} is {kind}, and well defined"
    for fault in faults:
        yield False, f"{'.'.join(map(str, fault.path)) or name}: {fault.text}"
    agent = resolved.agents.agents.get(name)
    for variable in agent.env_required if agent else ():
        is_set = bool(services.environ.get(variable))
        yield is_set, f"{variable} is {'set' if is_set else 'not set on this machine'}"
    for finding in resolved.findings:
        if finding.path[:2] == ("agents", name) and finding.origin.layer.value == "workspace":
            yield False, str(finding)


def _import(values: Namespace, services: Services, console: Console) -> int:
    if values.name is None:
        raise _usage("`bbox agents import` needs a file.")
    given = HostPath(f"{services.directory}/{values.name}")
    path = HostPath(values.name) if values.name.startswith("/") else given
    other = agent_name(values.other) if values.other else None
    manifest = _entries(values, services).read(path, other)
    return _write(manifest.name, manifest.entry, values, services, console)


def _export(values: Namespace, services: Services, console: Console) -> int:
    name = _named(values)
    entries = _entries(values, services)
    entry = entries.get(name)
    if name in _built_in(services):
        raise BboxError(
            ErrorCode.AGENT_INVALID,
            cause=f"{name} is built in.",
            remediation="`bbox agents inspect` shows it.",
        )
    if entry is None:
        raise unknown_agent(name, tuple(_resolved(values, services).agents.custom))
    # Values of variables may be secrets (compat CLI-47).
    shared = {key: value for key, value in entry.items() if key != "default_env"}
    console.say(entries.text(name, shared).rstrip("\n"))
    return 0


def _write(
    name: AgentName, entry: AgentEntry, values: Namespace, services: Services, console: Console
) -> int:
    if name in _built_in(services):
        raise BboxError(
            ErrorCode.AGENT_INVALID_NAME,
            cause=f"{name} is built in.",
            remediation="Give yours another name, or change it under agents in the config.",
        )
    written = _entries(values, services).put(name, entry, replace=values.force)
    if values.json:
        console.say(json.dumps(_receipt(name, written), indent=2))
        return 0
    done = "Replaced" if written.replaced else "Added"
    console.say(f"{done} {name} in {escape_text(written.path)}. Run it: bbox {name}")
    return 0


def _receipt(name: AgentName, written: Written) -> dict[str, object]:
    return {"agent": name, "configPath": written.path, "replaced": written.replaced, "ok": True}


def _entry(values: Namespace) -> AgentEntry:
    if not values.image or not values.words:
        raise _usage("`bbox agents add` needs --image and --command.")
    profile = values.egress_profile or EgressProfile.STANDARD.value
    hosts = [_host(text) for text in values.allow_host or ()]
    found = {
        "image": values.image,
        "command": values.words,
        "description": values.description,
        "env_forward": values.env,
        "env_required": values.env_required,
        "cpus": values.cpus,
        "memory": values.memory,
        "tmp_size": values.tmp_size,
        "egress_profile": values.egress_profile,
        "egress_hosts": {profile: hosts} if hosts else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _host(text: str) -> dict[str, object]:
    rule = parse_host_rule(text)
    ports = list(rule.ports)
    return {"name": rule.name, **({"ports": ports} if ports else {})}


def _named(values: Namespace) -> AgentName:
    if values.name is None:
        raise _usage(f"`bbox agents {values.action}` needs the name of an agent.")
    return agent_name(values.name)


def _resolved(values: Namespace, services: Services) -> ResolvedConfig:
    return services.configs()(services.directory, config_file(values, services))


def _built_in(services: Services) -> frozenset[str]:
    return frozenset(agent.name for agent in services.configs().built_in.list())


def _entries(values: Namespace, services: Services) -> AgentEntries:
    return services.entries(config_file(values, services))


def _usage(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.CLI_USAGE, cause=cause, remediation="`bbox agents --help` shows what is possible."
    )


_ACTIONS: Final[Mapping[str, Callable[[Namespace, Services, Console], int]]] = {
    "inspect": _inspect,
    "doctor": _doctor,
    "init": _init,
    "add": _add,
    "import": _import,
    "export": _export,
}
