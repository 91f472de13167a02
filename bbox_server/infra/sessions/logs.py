# SPDX-License-Identifier: Apache-2.0
"""What a session left to read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.session import SessionEvent, SessionId
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.trace import TRACE_FILE
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.sessions.event_log import read_events

CONSOLE: Final = "console.log"


class DiskSessionLogs(SessionLogs):
    """Reads the files of any session, also of one that runs."""

    def __init__(self, *, state: Path) -> None:
        self._root = state / "sessions"

    @override
    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        return read_events(self._root / session, session)

    @override
    def console(self, session: SessionId) -> str:
        # The VM's adapter escaped it when it wrote it.
        paths = (self._root / session / f"{CONSOLE}.1", self._root / session / CONSOLE)
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    @override
    def trace(self, session: SessionId) -> HostPath | None:
        path = self._root / session / TRACE_FILE
        return HostPath(str(path)) if path.exists() else None
