# SPDX-License-Identifier: Apache-2.0
"""Write a session's trace, and keep it up to date while the session is reviewed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bbox_server.domain.error import BboxError
from bbox_server.domain.session import SessionEvent, SessionId, SessionRecord
from bbox_server.domain.trace import TraceFiles, spans_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTrace:
    """A trace never makes what it tells about fail."""

    events: Callable[[SessionId], Iterable[SessionEvent]]
    files: TraceFiles

    def __call__(self, record: SessionRecord) -> str:
        """Write it; returns why that failed, or nothing."""
        try:
            self.files.write(record, spans_of(self.events(record.id)))
        except BboxError as error:
            return error.cause
        return ""

    def again(self, record: SessionRecord) -> None:
        """Write it anew where the session is traced."""
        if self.files.exists(record):
            self(record)
