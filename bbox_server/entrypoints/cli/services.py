# SPDX-License-Identifier: Apache-2.0
"""What the composition root hands to the command line."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bbox_server.application.diagnose import Diagnose
from bbox_server.application.find_session import FindSession
from bbox_server.application.open_review import OpenReview
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.agent import AgentRegistry
from bbox_server.domain.config.source import ConfigWriter
from bbox_server.domain.desk import Desk
from bbox_server.domain.gateway import SessionGateway
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.session import SessionEvent, SessionId, SessionStore
from bbox_server.domain.workspace import HostPath


class RunLog(ProgressObserver, Protocol):
    """Progress that remembers what it saw."""

    def timings(self) -> tuple[str, ...]:
        """One line a phase."""
        ...

    def export(self, session: SessionId) -> HostPath:
        """Write the session's trace; returns where it is."""
        ...


class SessionLogs(Protocol):
    """What a session left to read."""

    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        """Its events, oldest first."""
        ...

    def console(self, session: SessionId) -> str:
        """The guest's console, escaped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Use cases and ports. What a command doesn't use is never made.

    Attributes:
        directory: Where the command was started, links resolved.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: HostPath
    sessions: SessionStore
    find: FindSession
    agents: Callable[[], AgentRegistry]
    gateway: Callable[[], SessionGateway]
    run_log: Callable[[], RunLog]
    review: Callable[[], OpenReview]
    diagnose: Callable[[], Diagnose]
    logs: SessionLogs
    desk: Desk
    configs: Callable[[], ResolveConfig]
    config_writer: Callable[[], ConfigWriter]
