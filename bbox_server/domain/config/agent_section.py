# SPDX-License-Identifier: Apache-2.0
"""`agents.NAME`: what changes an agent, or defines one (compat CFG-16)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bbox_server.domain.config.mcp_section import McpAuthz
from bbox_server.domain.config.provider_section import ProviderSection
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.settings import (
    SettingsCategory,
    SettingsFormat,
    SettingsImport,
    SettingsKind,
)


class McpMode(StrEnum):
    """How an agent learns of the MCP proxy: by variables, or by a file of its own."""

    ENV = "env"
    CONFIG = "config"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSection:
    """What a login leaves in the guest's home, relative to it."""

    persist: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsEntrySection:
    """A settings file or directory as it is written; paths are relative to the two homes."""

    host_path: str
    guest_path: str
    kind: SettingsKind = SettingsKind.FILE
    category: SettingsCategory | None = None
    format: SettingsFormat | None = None
    optional: bool = False
    allow_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpInjection:
    """What is merged into a file of the guest, so that the agent finds the proxy."""

    guest_path: str
    format: SettingsFormat
    merge: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentMcpSection:
    """`agents.NAME.mcp`."""

    enabled: bool | None = None
    mode: McpMode | None = None
    authz: McpAuthz = field(default_factory=McpAuthz)
    inject: tuple[McpInjection, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSection:
    """`agents.NAME`; sizes in MiB. `image` is as the user wrote it."""

    image: str | None = None
    description: str | None = None
    command: tuple[str, ...] | None = None
    env_forward: tuple[str, ...] | None = None
    default_env: Mapping[str, str] | None = None
    env_required: tuple[str, ...] | None = None
    credentials: CredentialsSection = field(default_factory=CredentialsSection)
    settings: tuple[SettingsEntrySection, ...] | None = None
    cpus: int | None = None
    memory: int | None = None
    tmp_size: int | None = None
    egress_profile: EgressProfile | None = None
    egress_hosts: Mapping[EgressProfile, tuple[HostRule, ...]] | None = None
    allow_hosts: tuple[HostRule, ...] | None = None
    providers: Mapping[str, ProviderSection] | None = None
    mcp: AgentMcpSection = field(default_factory=AgentMcpSection)
    settings_import: SettingsImport = field(default_factory=SettingsImport)
