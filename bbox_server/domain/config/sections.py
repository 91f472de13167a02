# SPDX-License-Identifier: Apache-2.0
"""The sections of a config file (compat CFG-05 to CFG-16); fields are named as the file's keys.

None is "not set", everywhere: an empty list and a false say something (P-24).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NewType

from bbox_server.domain.config.agent_section import AgentSection
from bbox_server.domain.config.mcp_section import McpSection
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.settings import SettingsImport

Mebibytes = NewType("Mebibytes", int)

MAX_CPUS: Final = 128
MAX_MEMORY: Final = Mebibytes(131072)
MAX_TMP_SIZE: Final = Mebibytes(65536)
"""Compat CFG-18."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsSection:
    """For every agent that says nothing else."""

    cpus: int | None = None
    memory: Mebibytes | None = None
    tmp_size: Mebibytes | None = None
    egress_profile: EgressProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSection:
    """The workspace."""

    mode: WorkspaceMode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSection:
    """The end of a run."""

    enabled: bool | None = None
    auto_accept: bool | None = None
    exclude_patterns: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """What every guest may reach, beside its profile, and how.

    Attributes:
        proxy: A URL without a password; empty: none, whatever the environment says.
    """

    allow_hosts: tuple[HostRule, ...] | None = None
    services: tuple[HostService, ...] | None = None
    proxy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSection:
    """Images."""

    pull: PullPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSection:
    """What of the user's git access the guest gets; nothing unless it is set (P-22)."""

    forward_token: bool | None = None
    forward_ssh_agent: bool | None = None

    @property
    def forwards_token(self) -> bool:
        """Whether GitHub's token may be used from the guest."""
        return bool(self.forward_token)

    @property
    def forwards_ssh_agent(self) -> bool:
        """Whether the SSH agent may be used from the guest."""
        return bool(self.forward_ssh_agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSection:
    """An agent's own login."""

    save_credentials: bool | None = None
    seed_host_credentials: bool | None = None

    @property
    def saves(self) -> bool:
        """Whether a login is kept for the next run (compat CFG-14)."""
        return self.save_credentials is not False

    @property
    def seeds(self) -> bool:
        """Whether the host's own login is given to the first run."""
        return self.saves and bool(self.seed_host_credentials)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSection:
    """Accepted for compatibility: nothing is downloaded at run time (compat CFG-15)."""

    firmware_download: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole config file, or several merged."""

    defaults: DefaultsSection = field(default_factory=DefaultsSection)
    workspace: WorkspaceSection = field(default_factory=WorkspaceSection)
    review: ReviewSection = field(default_factory=ReviewSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    image: ImageSection = field(default_factory=ImageSection)
    mcp: McpSection = field(default_factory=McpSection)
    git: GitSection = field(default_factory=GitSection)
    settings_import: SettingsImport = field(default_factory=SettingsImport)
    auth: AuthSection = field(default_factory=AuthSection)
    keys: KeyLimits = field(default_factory=KeyLimits)
    runtime: RuntimeSection = field(default_factory=RuntimeSection)
    agents: Mapping[str, AgentSection] = field(default_factory=dict)

    def agent(self, name: str) -> AgentSection:
        """What is set for an agent; nothing where it is not named."""
        return self.agents.get(name, AgentSection())
