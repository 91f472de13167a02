# SPDX-License-Identifier: Apache-2.0
"""Agents that a user defines in the config (compat CFG-50 to CFG-56)."""

import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.agent import Agent, AgentResources, agent_name
from bbox_server.domain.config.agent_section import (
    AgentMcpSection,
    AgentSection,
    McpMode,
    SettingsEntrySection,
)
from bbox_server.domain.config.mcp_section import AuthzProfile
from bbox_server.domain.config.problem import Fault, KeyPath
from bbox_server.domain.config.sections import MAX_CPUS, MAX_MEMORY, MAX_TMP_SIZE, DefaultsSection
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.environment import validate_patterns
from bbox_server.domain.error import BboxError
from bbox_server.domain.fields import FieldFilter
from bbox_server.domain.image import parse_reference
from bbox_server.domain.settings import SettingsEntry, SettingsKind

DEFAULT_AUTHZ: Final = AuthzProfile.SAFE_TOOLS
"""Compat CFG-52."""

RESERVED_NAMES: Final = frozenset(
    {
        *("agents", "attach", "auth", "cache", "completion", "config", "diff", "discard"),
        *(
            "doctor",
            "flush",
            "fork",
            "help",
            "images",
            "list",
            "logs",
            "mcp",
            "network",
            "review",
            "run",
        ),
        *("run-image", "sessions", "stop", "trust", "undo", "why"),
    }
)
"""Words that `bbox` takes for commands (P-72)."""


def custom_faults(name: str, section: AgentSection) -> Iterator[Fault]:
    """All that keeps an agent of the user's own from running, in the order of CFG-51."""
    yield from _name_faults(name)
    yield from _command_faults(section)
    yield from _environment_faults(section)
    yield from _mcp_faults(section.mcp)
    yield from _path_faults(section)
    yield from _egress_faults(section)


def custom_agent(name: str, section: AgentSection, defaults: DefaultsSection) -> Agent:
    """The agent; its section has no faults (CFG-52).

    Its hosts are exactly those that the user names for a profile: the groups that `standard`
    adds to built-in agents are not added.
    """
    base = AgentResources()
    return Agent(
        name=agent_name(name),
        description=section.description or "",
        image=parse_reference(section.image or ""),
        command=section.command or (),
        env_forward=section.env_forward or (),
        env=section.default_env or {},
        resources=AgentResources(
            cpus=min(section.cpus or defaults.cpus or base.cpus, MAX_CPUS),
            memory_mib=min(section.memory or defaults.memory or base.memory_mib, MAX_MEMORY),
            tmp_size_mib=min(section.tmp_size or defaults.tmp_size or 0, MAX_TMP_SIZE),
        ),
        env_required=section.env_required or (),
        settings=tuple(map(_entry, section.settings or ())),
        credential_paths=tuple(map(_cleaned, section.credentials.persist or ())),
        egress_hosts=section.egress_hosts or {},
        providers=tuple(
            provider.provider(own) for own, provider in (section.providers or {}).items()
        ),
    )


def _entry(section: SettingsEntrySection) -> SettingsEntry:
    return SettingsEntry(
        host_path=_cleaned(section.host_path),
        guest_path=_cleaned(section.guest_path),
        kind=section.kind,
        category=section.category,
        format=section.format,
        optional=section.optional,
        fields=FieldFilter(allow=section.allow_keys),
    )


def path_fault(text: str) -> str | None:
    """What is wrong with a path that must stay below a home (CFG-54)."""
    if not text:
        return "empty path"
    if text.startswith("/"):
        return "absolute path; write it relative to the home"
    path = _cleaned(text)
    if ".." in path.parts:
        return "the path escapes the home"
    return None if path.parts else "the path resolves to the home directory"


def _cleaned(text: str) -> PurePosixPath:
    """Without `.` and `..`, by the words alone: nothing is looked up."""
    return PurePosixPath(posixpath.normpath(text))


def _name_faults(name: str) -> Iterator[Fault]:
    try:
        agent_name(name)
    except BboxError as error:
        yield Fault(path=(), text=f"{error.cause.removesuffix('.')} ({error.remediation})")
    if name in RESERVED_NAMES:
        yield Fault(path=(), text=f"`bbox {name}` is a command; give the agent another name")


def _command_faults(section: AgentSection) -> Iterator[Fault]:
    if not section.image:
        yield Fault(path=("image",), text="image is required for an agent of your own")
    if not section.command:
        yield Fault(path=("command",), text="command is required for an agent of your own")
    elif not section.command[0] or any("\0" in word for word in section.command):
        yield Fault(path=("command",), text="command must start with a program, without NUL")


def _environment_faults(section: AgentSection) -> Iterator[Fault]:
    for number, pattern in enumerate(section.env_forward or ()):
        try:
            validate_patterns((pattern,))
        except BboxError as error:
            yield Fault(path=("env_forward", number), text=error.cause)
    for number, name in enumerate(section.env_required or ()):
        if not name.strip() or "=" in name:
            text = "empty name" if not name.strip() else f"{name!r} has an equals sign"
            yield Fault(path=("env_required", number), text=text)


def _mcp_faults(mcp: AgentMcpSection) -> Iterator[Fault]:
    inject = mcp.inject or ()
    path: KeyPath = ("mcp", "inject")
    if inject and mcp.mode is not McpMode.CONFIG:
        yield Fault(path=path, text="mcp.inject requires mcp.mode: config")
    if not inject and mcp.mode is McpMode.CONFIG:
        yield Fault(path=path, text="mcp.mode: config requires at least one mcp.inject")
    for number, one in enumerate(inject):
        fault = path_fault(one.guest_path)
        if fault is not None:
            yield Fault(path=(*path, number, "guest_path"), text=fault)
        if not one.merge:
            yield Fault(path=(*path, number, "merge"), text="merge must not be empty")


def _path_faults(section: AgentSection) -> Iterator[Fault]:
    paths: list[tuple[KeyPath, str]] = [
        (("credentials", "persist", number), path)
        for number, path in enumerate(section.credentials.persist or ())
    ]
    for number, entry in enumerate(section.settings or ()):
        paths.append((("settings", number, "host_path"), entry.host_path))
        paths.append((("settings", number, "guest_path"), entry.guest_path))
    for path, text in paths:
        fault = path_fault(text)
        if fault is not None:
            yield Fault(path=path, text=fault)
    for number, entry in enumerate(section.settings or ()):
        if entry.kind is SettingsKind.MERGE_FILE and entry.format is None:
            yield Fault(
                path=("settings", number, "format"), text="a merge-file needs a format to be read"
            )


def _egress_faults(section: AgentSection) -> Iterator[Fault]:
    profile = section.egress_profile or EgressProfile.STANDARD
    hosts = (section.egress_hosts or {}).get(profile)
    if profile is EgressProfile.PERMISSIVE or hosts or section.mcp.mode is not None:
        return
    yield Fault(
        path=("egress_hosts",),
        text=f"the profile {profile} requires egress_hosts.{profile}: nothing could be reached",
    )
