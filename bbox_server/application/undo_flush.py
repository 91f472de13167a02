# SPDX-License-Identifier: Apache-2.0
"""Undo a flush, and recover from one that was interrupted."""

from dataclasses import dataclass, replace

from bbox_server.domain.agent_commits import NO_COMMITS, AgentCommits
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import Flusher, FlushId, FlushKind, FlushRecord, FlushReport
from bbox_server.domain.review import ReviewStore
from bbox_server.domain.settling import after_undo


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoFlush:
    """Brings back what a flush replaced, except where the user has edited since."""

    flusher: Flusher
    reviews: ReviewStore
    commits: AgentCommits = NO_COMMITS

    async def __call__(self, flush: FlushId | None = None) -> FlushReport:
        """Undo a flush; without a number the last one that is not undone.

        Raises: flush.unknown, flush.busy, flush.journal-corrupt, disk.full.
        """
        async with self.flusher.lock():
            await self.flusher.recover()
            chosen = flush if flush is not None else await self._last()
            report = await self.flusher.undo(chosen)
            restored = {result.path for result in report.applied}
            restored -= {result.path for result in report.failed}
            await self.reviews.save(after_undo(await self.reviews.load(), chosen, restored))
            return replace(report, refs=await self.commits.give_back(chosen))

    async def undoable(self) -> tuple[FlushRecord, ...]:
        """The flushes that can be undone, oldest first."""
        records = await self.flusher.records()
        return tuple(r for r in records if r.kind is FlushKind.FLUSH and r.undone_by is None)

    async def _last(self) -> FlushId:
        records = await self.undoable()
        if not records:
            raise BboxError(
                ErrorCode.FLUSH_UNKNOWN,
                cause="This session has no flush that could be undone.",
                remediation="`bbox sessions` lists the sessions of this workspace.",
            )
        return records[-1].flush


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverFlush:
    """Finishes or rolls back what a crash interrupted; run it when a session is opened."""

    flusher: Flusher

    async def __call__(self) -> tuple[FlushReport, ...]:
        """What was recovered; empty as a rule. Raises: flush.busy, flush.journal-corrupt."""
        async with self.flusher.lock():
            return await self.flusher.recover()
