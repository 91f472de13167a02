# SPDX-License-Identifier: Apache-2.0
"""Write a session's trace, and keep it up to date while the session is reviewed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bbox_server.domain.error import BboxError
from bbox_server.domain.session import SessionEvent, SessionId, SessionRecord
from bbox_server.domain.trace import TraceFiles, spans_of
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTrace:
    """While a session goes on, its trace never makes it fail."""

    events: Callable[[SessionId], Iterable[SessionEvent]]
    files: TraceFiles

    def now(self, record: SessionRecord) -> HostPath:
        """Write it; returns where. Raises: as TraceFiles.write."""
        return self.files.write(record, spans_of(self.events(record.id)))

    def __call__(self, record: SessionRecord) -> str:
        """Write it; returns why that failed, or nothing."""
        try:
            self.now(record)
        except BboxError as error:
            return error.cause
        return ""

    def again(self, record: SessionRecord) -> None:
        """Write it anew where the session is traced."""
        if self.files.exists(record):
            self(record)
