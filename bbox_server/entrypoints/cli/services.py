# SPDX-License-Identifier: Apache-2.0
"""What the composition root hands to the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bbox_server.application.diagnose import Diagnose
from bbox_server.application.explain_path import ExplainPath
from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.find_session import FindSession
from bbox_server.application.plan_run import PlanRun
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.application.tend_cache import TendCache
from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.config.entries import AgentEntries
from bbox_server.domain.config.source import ConfigWriter
from bbox_server.domain.desk import Desk
from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.login import LoginStore
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.session import SessionStore
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Use cases and ports. What a command doesn't use is never made.

    Attributes:
        directory: Where the command was started, links resolved.
        kept: Rules of the user's config, the usual file or another one.
        entries: The agents of that file.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: HostPath
    sessions: SessionStore
    find: FindSession
    agents: Callable[[], AgentRegistry]
    logins: Callable[[], LoginStore]
    gateway: Callable[[], SessionGateway]
    diagnose: Callable[[], Diagnose]
    explain: Callable[[], ExplainPath]
    plan: Callable[[ProgressObserver], PlanRun]
    cache: Callable[[], TendCache]
    logs: SessionLogs
    trace: Callable[[], ExportTrace]
    desk: Desk
    kept: Callable[[HostPath | None], KeptRules]
    configs: Callable[[], ResolveConfig]
    config_writer: Callable[[], ConfigWriter]
    entries: Callable[[HostPath | None], AgentEntries]
