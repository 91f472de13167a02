# SPDX-License-Identifier: Apache-2.0
"""Coding agents: what each needs to run, as data."""

import difflib
import hashlib
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final, NewType, Protocol

from bbox_server.domain.credential import PlaceholderToken, ProviderId, ProviderRoute
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.held_login import LoginForm
from bbox_server.domain.image import ImageReference
from bbox_server.domain.mcp_registration import McpRegistration
from bbox_server.domain.session import SessionId
from bbox_server.domain.settings import SettingsEntry
from bbox_server.domain.workspace import HostPath

AgentName = NewType("AgentName", str)

_NAME: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")

WORKSPACE_VARIABLE: Final = "workspace"
"""What stands in a template for the workspace's path in the guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryShares:
    """How much of the guest's memory a runtime may take, in percent; 0 leaves it alone."""

    node_heap: int = 0
    go_limit: int = 0

    def environment(self, memory_mib: int) -> dict[str, str]:
        """What tells the runtimes (compat AGT-07)."""
        env = {}
        if self.node_heap:
            env["NODE_OPTIONS"] = f"--max-old-space-size={memory_mib * self.node_heap // 100}"
        if self.go_limit:
            env["GOMEMLIMIT"] = f"{memory_mib * self.go_limit // 100}MiB"
        return env


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResources:
    """What the agent gets unless the user says otherwise."""

    cpus: int = 2
    memory_mib: int = 4096
    tmp_size_mib: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProvider:
    """A provider of models that the agent talks to.

    Attributes:
        hosts: Reached directly; not needed while the credential proxy serves the provider.
        env: Templates that point the agent to the proxy instead.
        own_route: Where the user's config defines the provider.
        login: The form of the agent's login with it, where the proxy can hold that.
    """

    id: ProviderId
    hosts: tuple[HostRule, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    own_route: ProviderRoute | None = None
    login: LoginForm | None = None

    @property
    def routed(self) -> bool:
        """Whether the agent can be pointed to the proxy."""
        return bool(self.env)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAccess:
    """Where the guest finds a provider: the proxy's address for it, and what to say there."""

    base_url: str
    placeholder: PlaceholderToken


Access = Mapping[ProviderId, ProviderAccess]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFile:
    """A file for the home of the guest's user.

    Attributes:
        path: Relative to that home.
        template: Its text; `${openai_base_url}` and the like are filled in.
        provider: Without this one being served it is not written; None writes it always.
    """

    path: PurePosixPath
    template: str
    provider: ProviderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An agent.

    Attributes:
        unattended: Words that turn the agent's own approvals and its own sandbox off; the
            microVM takes their place.
        unattended_env: Variables that do the same, where no words of the command do.
        env_forward: Patterns of host variables that the agent understands. Keys of served
            providers are not forwarded.
        env: Set in the guest.
        credential_paths: Relative to the guest's home; what a login leaves there.
        hosts: Reached whatever the provider.
        egress_hosts: By profile, instead of all other hosts: of an agent of the user's own.
        files: Written before the agent starts.
        env_required: Names of host variables without which the agent is of no use.
        own_keys: Keys of providers that the user lets this agent have itself, by name.
        settings: What of the user's own settings the agent understands.
        mcp_servers: Where the agent reads of MCP servers; None where it can't.
    """

    name: AgentName
    description: str
    image: ImageReference
    command: tuple[str, ...]
    unattended: tuple[str, ...] = ()
    unattended_env: Mapping[str, str] = field(default_factory=dict)
    env_forward: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    memory: MemoryShares = field(default_factory=MemoryShares)
    resources: AgentResources = field(default_factory=AgentResources)
    credential_paths: tuple[PurePosixPath, ...] = ()
    providers: tuple[AgentProvider, ...] = ()
    hosts: tuple[HostRule, ...] = ()
    egress_hosts: Mapping[EgressProfile, tuple[HostRule, ...]] = field(default_factory=dict)
    files: tuple[AgentFile, ...] = ()
    env_required: tuple[str, ...] = ()
    own_keys: tuple[str, ...] = ()
    settings: tuple[SettingsEntry, ...] = ()
    mcp_servers: McpRegistration | None = None

    def argv(self, arguments: tuple[str, ...], *, ask: bool = False) -> tuple[str, ...]:
        """The whole command; `ask` keeps the agent's own approvals."""
        return (*self.command, *(() if ask else self.unattended), *arguments)

    @property
    def works_unattended(self) -> bool:
        """Whether the agent's own approvals are turned off where nobody asks for them."""
        return bool(self.unattended or self.unattended_env)

    def defaults(self, *, ask: bool = False) -> dict[str, str]:
        """What is set in the guest where the user's environment says nothing else."""
        return {**self.env, **({} if ask else self.unattended_env)}

    def environment(self, access: Access, memory_mib: int) -> dict[str, str]:
        """What is set in the guest for this agent, with the providers that are served."""
        return {
            **self.defaults(),
            **self.memory.environment(memory_mib),
            **self.provider_environment(access),
        }

    def provider_environment(self, access: Access) -> dict[str, str]:
        """What points the agent to the providers that are served."""
        env: dict[str, str] = {}
        for provider in self.providers:
            if provider.id in access:
                where = access[provider.id]
                here = {"base_url": where.base_url, "placeholder": where.placeholder}
                values = {**_values(access, HostPath("")), **here}
                env |= {name: fill(text, values) for name, text in provider.env.items()}
        return env

    def guest_files(self, access: Access, workspace: HostPath) -> tuple[GuestFile, ...]:
        """The files that can be filled in, of two for a path the first.

        `workspace` is its path in the guest.
        """
        values = _values(access, workspace)
        found: dict[PurePosixPath, GuestFile] = {}
        for file in self.files:
            served = file.provider is None or file.provider in access
            if served and template_names(file.template) <= values.keys():
                content = fill(file.template, values).encode()
                found.setdefault(file.path, GuestFile(path=file.path, content=content))
        return tuple(found.values())

    def locked_hosts(self, served: frozenset[ProviderId]) -> tuple[HostRule, ...]:
        """What the agent itself must reach, without the providers that the proxy serves."""
        direct = [provider.hosts for provider in self.providers if provider.id not in served]
        return tuple(dict.fromkeys(rule for rules in (*direct, self.hosts) for rule in rules))


class AgentRegistry(Protocol):
    """The agents there are."""

    def get(self, name: str) -> Agent:
        """Raises: agent.unknown, with the nearest name; agent.invalid-name."""
        ...

    def list(self) -> tuple[Agent, ...]:
        """All, ordered by name."""
        ...


def agent_name(text: str) -> AgentName:
    """A name as compat CLI-07 wants it.

    Raises:
        BboxError: agent.invalid-name.
    """
    if not _NAME.fullmatch(text):
        raise BboxError(
            ErrorCode.AGENT_INVALID_NAME,
            cause=f"invalid agent name {text[:80]!r}.",
            remediation="Use up to 64 letters, digits, `_` and `-`, a letter or digit first.",
        )
    return AgentName(text)


def unknown_agent(name: str, known: tuple[AgentName, ...]) -> BboxError:
    """agent.unknown, with what was perhaps meant (compat AGT-11)."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return BboxError(
        ErrorCode.AGENT_UNKNOWN,
        cause=f'agent not found: "{name}".',
        remediation=f"{meant}There are: {', '.join(sorted(known))}.",
    )


def derive_name(image: str) -> str:
    """A name for a run of an image without an agent (compat CLI-73); may be too long for one."""
    last = image.rpartition("@")[0] or image
    last = last.rpartition("/")[2]
    last = last.rpartition(":")[0] or last
    return re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-") or "run-image"


def vm_name(agent: str, workspace: HostPath, session: SessionId) -> str:
    """The guest's host name (compat CLI-10)."""
    if not workspace:
        return f"sandbox-{agent}-{session}"
    digest = hashlib.sha256(workspace.encode("utf-8", "surrogateescape")).hexdigest()
    return f"sandbox-{agent}-{digest[:8]}-{session}"


def template_names(template: str) -> set[str]:
    """The names that a template wants filled in. Raises: ValueError for a broken one."""
    parsed = string.Template(template)
    if not parsed.is_valid():
        raise ValueError(template)
    return set(parsed.get_identifiers())


def provider_variables(provider: ProviderId) -> tuple[str, str]:
    """What stands in a template for a provider's base URL and its placeholder."""
    name = provider.replace("-", "_")
    return f"{name}_base_url", f"{name}_placeholder"


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its names filled in; all of them must be there."""
    return string.Template(template).substitute(values)


def _values(access: Access, workspace: HostPath) -> dict[str, str]:
    values: dict[str, str] = {WORKSPACE_VARIABLE: workspace}
    for provider, where in access.items():
        base_url, placeholder = provider_variables(provider)
        values |= {base_url: where.base_url, placeholder: where.placeholder}
    return values
