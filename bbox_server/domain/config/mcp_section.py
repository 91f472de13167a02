# SPDX-License-Identifier: Apache-2.0
"""MCP in config files (compat CFG-11, CFG-19); its consumer is the MCP proxy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NewType

from bbox_server.domain.config.problem import Fault

Seconds = NewType("Seconds", float)

MCP_GROUP: Final = "default"
MCP_PORT: Final = 4483
MCP_SESSION_TTL: Final = Seconds(12 * 3600.0)


class AuthzProfile(StrEnum):
    """Who may call what, from strict to loose (compat CFG-39); custom is not comparable."""

    OBSERVE = "observe"
    SAFE_TOOLS = "safe-tools"
    FULL_ACCESS = "full-access"
    CUSTOM = "custom"


class ConflictResolution(StrEnum):
    """What happens when two servers have a tool of the same name."""

    PREFIX = "prefix"
    PRIORITY = "priority"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class McpAuthz:
    """Which profile authorizes."""

    profile: AuthzProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpPolicies:
    """Cedar policies as text; parsed where they are used."""

    policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpToolOverride:
    """What a tool is called for the agent."""

    name: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpWorkloadTools:
    """Which tools of one server are shown."""

    workload: str = ""
    filter: tuple[str, ...] = ()
    overrides: Mapping[str, McpToolOverride] = field(default_factory=dict)
    exclude_all: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class McpAggregation:
    """How several servers become one."""

    conflict_resolution: ConflictResolution | None = None
    prefix_format: str | None = None
    priority_order: tuple[str, ...] = ()
    exclude_all_tools: bool = False
    tools: tuple[McpWorkloadTools, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class McpFileConfig:
    """`mcp.config`, and the file of `--mcp-config`."""

    authz: McpPolicies | None = None
    aggregation: McpAggregation | None = None

    def faults(self) -> Iterator[Fault]:
        """What is wrong with it as a whole."""
        if self.authz is not None and not self.authz.policies:
            yield Fault(
                path=("authz", "policies"),
                text="authz.policies must be non-empty where authz is given",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSection:
    """`mcp`."""

    enabled: bool | None = None
    group: str | None = None
    port: int | None = None
    config: McpFileConfig | None = None
    authz: McpAuthz = field(default_factory=McpAuthz)
    session_ttl: Seconds | None = None
