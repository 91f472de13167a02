# SPDX-License-Identifier: Apache-2.0
"""What the composition root hands to the language server. Nothing is made before it is used."""

from collections.abc import Callable
from dataclasses import dataclass

from bbox_server.application.diagnose import Diagnose
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.config.agents import ConfiguredAgents
from bbox_server.domain.diff_page import DiffPages
from bbox_server.domain.flush import WorkspaceFiles
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.image import ImageStore
from bbox_server.domain.session import SessionStore
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class LspServices:
    """Ports and use cases of what needs no session's host, and the way to the hosts."""

    version: str
    gateway: Callable[[], SessionGateway]
    sessions: Callable[[], SessionStore]
    agents: Callable[[], ConfiguredAgents]
    configs: Callable[[], ResolveConfig]
    images: Callable[[], ImageStore]
    logs: Callable[[], SessionLogs]
    diagnose: Callable[[], Diagnose]
    diffs: Callable[[], DiffPages]
    files: Callable[[HostPath], WorkspaceFiles]
