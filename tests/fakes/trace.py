# SPDX-License-Identifier: Apache-2.0
"""Traces in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId, SessionRecord
from bbox_server.domain.trace import Span, TraceFiles
from bbox_server.domain.workspace import HostPath


@dataclass
class MemoryTraceFiles(TraceFiles):
    """The last trace of each session, and how often one was written.

    Attributes:
        is_full: Lets every write fail.
    """

    written: dict[SessionId, tuple[Span, ...]] = field(default_factory=dict)
    writes: int = 0
    is_full: bool = False

    @override
    def write(self, record: SessionRecord, spans: tuple[Span, ...]) -> HostPath:
        if self.is_full:
            raise BboxError(
                ErrorCode.DISK_FULL, cause="There is no room.", remediation="Make some."
            )
        self.writes += 1
        self.written[record.id] = spans
        return HostPath(f"/traces/{record.id}")

    @override
    def exists(self, record: SessionRecord) -> bool:
        return record.id in self.written
