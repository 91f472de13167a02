# SPDX-License-Identifier: Apache-2.0
"""What a session left to read."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bbox_server.domain.session import SessionEvent, SessionId
from bbox_server.domain.trace import TRACE_FILE
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.sessions.event_log import read_events

CONSOLE: Final = "console.log"


class DiskSessionLogs:
    """Reads the files of any session, also of one that runs."""

    def __init__(self, *, state: Path) -> None:
        self._root = state / "sessions"

    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        """Its events, oldest first."""
        return read_events(self._root / session, session)

    def console(self, session: SessionId) -> str:
        """The guest's console; the VM's adapter escaped it when it wrote it."""
        paths = (self._root / session / f"{CONSOLE}.1", self._root / session / CONSOLE)
        return "".join(path.read_text(errors="replace") for path in paths if path.exists())

    def trace(self, session: SessionId) -> HostPath | None:
        """Where its trace is, if it has one."""
        path = self._root / session / TRACE_FILE
        return HostPath(str(path)) if path.exists() else None
