# SPDX-License-Identifier: Apache-2.0
"""What sessions leave to read."""

from collections.abc import Iterable
from typing import Protocol

from bbox_server.domain.session import SessionEvent, SessionId
from bbox_server.domain.workspace import HostPath


class SessionLogs(Protocol):
    """Of any session, also of one that runs."""

    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        """Its events, oldest first."""
        ...

    def console(self, session: SessionId) -> str:
        """The guest's console, escaped."""
        ...

    def trace(self, session: SessionId) -> HostPath | None:
        """Where its trace is, if it has one."""
        ...
