# SPDX-License-Identifier: Apache-2.0
"""What holds where nobody says anything."""

from typing import Final

from bbox_server.domain.agent import AgentResources
from bbox_server.domain.config.layer import DEFAULT_PROFILE
from bbox_server.domain.config.mcp_section import (
    MCP_GROUP,
    MCP_PORT,
    MCP_SESSION_TTL,
    AuthzProfile,
    McpAuthz,
    McpSection,
)
from bbox_server.domain.config.sections import (
    AuthSection,
    Config,
    DefaultsSection,
    GitSection,
    ImageSection,
    Mebibytes,
    ReviewSection,
    WorkspaceSection,
)
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.settings import SettingsImport

_RESOURCES: Final = AgentResources()

BUILT_IN: Final = Config(
    defaults=DefaultsSection(
        cpus=_RESOURCES.cpus,
        memory=Mebibytes(_RESOURCES.memory_mib),
        egress_profile=DEFAULT_PROFILE,
    ),
    workspace=WorkspaceSection(mode=WorkspaceMode.SNAPSHOT),
    review=ReviewSection(enabled=False, auto_accept=False),
    image=ImageSection(pull=PullPolicy.BACKGROUND),
    mcp=McpSection(
        enabled=True,
        group=MCP_GROUP,
        port=MCP_PORT,
        authz=McpAuthz(profile=AuthzProfile.FULL_ACCESS),
        session_ttl=MCP_SESSION_TTL,
    ),
    git=GitSection(forward_token=False, forward_ssh_agent=False),
    settings_import=SettingsImport(enabled=True),
    auth=AuthSection(save_credentials=True, seed_host_credentials=False),
)
"""Shown by `bbox config show`; each consumer has the same default, tests/unit/config holds it."""
