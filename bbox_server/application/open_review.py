# SPDX-License-Identifier: Apache-2.0
"""Open a session for review, also after a crash, and close it when all is decided."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bbox_server.application.flush_changes import FlushChanges
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.application.session_journal import SessionJournal
from bbox_server.application.told_phase import tell_past, told_phase
from bbox_server.application.undo_flush import RecoverFlush, UndoFlush
from bbox_server.domain.clock import Clock
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId, FlushReport
from bbox_server.domain.plan import FlushPlan, PlanHash
from bbox_server.domain.progress import Phase
from bbox_server.domain.session import (
    EventKind,
    SessionDirectories,
    SessionId,
    SessionObserver,
    SessionRecord,
    SessionState,
    SessionStore,
)
from bbox_server.domain.snapshot import Snapshots
from bbox_server.domain.workspace import WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewParts:
    """The use cases of one session's review, made from its directories.

    Attributes:
        retrace: Brings the session's trace up to date, where it has one.
    """

    changes: ReviewChanges
    flush: FlushChanges
    undo: UndoFlush
    recover: RecoverFlush
    observer: SessionObserver
    retrace: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReview:
    """A session that is open for review; this process is its one writer."""

    changes: ReviewChanges
    parts: ReviewParts
    journal: SessionJournal

    @property
    def session(self) -> SessionId:
        """Whose review it is."""
        return self.journal.record.id

    @property
    def planning(self) -> PlanFlush:
        """How the changes meet the workspace."""
        return self.parts.flush.planning

    async def plan(self, unsaved: AbstractSet[WorkspacePath] = frozenset()) -> FlushPlan:
        """What a flush would do now. Raises: as FlushChanges.plan."""
        return await self.parts.flush.plan(unsaved)

    async def flush(
        self, shown: PlanHash, unsaved: AbstractSet[WorkspacePath] = frozenset()
    ) -> FlushReport:
        """Apply the plan that was shown. Raises: as FlushChanges."""
        self.journal.enter(SessionState.FLUSHING)
        try:
            with told_phase(self.parts.observer, Phase.FLUSH, "Applying the accepted changes"):
                report = await self.parts.flush(shown, unsaved)
        finally:
            self.journal.enter(SessionState.REVIEWING)
        self._announce(report)
        await self.settle()
        self.parts.retrace()
        return report

    async def undo(self, flush: FlushId | None = None) -> FlushReport:
        """Take a flush back. Raises: as UndoFlush."""
        report = await self.parts.undo(flush)
        self._announce(report)
        self.journal.enter(SessionState.REVIEWING)
        return report

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches to the commits that a flush fetched. Raises: flush.busy."""
        return await self.parts.flush.forward(flush)

    async def settle(self) -> None:
        """The session is done when nothing is undecided and nothing waits for a flush."""
        if (await self.changes.list()).is_settled:
            self.journal.enter(SessionState.DONE)

    def _announce(self, report: FlushReport) -> None:
        self.journal.observer.event(
            EventKind.FLUSH,
            {
                "flush": report.flush,
                "kind": report.kind.value,
                "applied": len(report.applied),
                "failed": len(report.failed),
                "refs": len(report.refs),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenReview:
    """Holds a session while it is reviewed."""

    sessions: SessionStore
    snapshots: Snapshots
    parts: Callable[[SessionRecord, SessionDirectories], ReviewParts]
    clock: Clock

    @asynccontextmanager
    async def __call__(self, session: SessionId) -> AsyncIterator[SessionReview]:
        """The session's review; a flush that a crash interrupted is recovered first.

        Raises:
            BboxError: session.unknown, session.busy, session.state where there is no snapshot.
        """
        with self.sessions.hold(session) as directories:
            record = self._record(session)
            parts = self.parts(record, directories)
            journal = SessionJournal(record=record, store=self.sessions, observer=parts.observer)
            await parts.recover()
            if record.state is not SessionState.DONE:
                journal.enter(SessionState.REVIEWING)
            async with self._timed(parts):
                yield SessionReview(changes=parts.changes, parts=parts, journal=journal)

    async def discard(self, session: SessionId) -> None:
        """Throw the session away, with all that the agent did. Raises: as SessionStore.remove."""
        self.sessions.remove(session)
        await self.snapshots.release(session)

    @asynccontextmanager
    async def _timed(self, parts: ReviewParts) -> AsyncIterator[None]:
        """Tell how long a review took, where anything was decided in it."""
        began, before = self.clock.now(), await parts.changes.reviews.load()
        try:
            yield
        finally:
            if await parts.changes.reviews.load() != before:
                tell_past(parts.observer, Phase.REVIEW, "Reviewed", began)
            parts.retrace()

    def _record(self, session: SessionId) -> SessionRecord:
        for record in self.sessions.list():
            if record.id == session and record.generation is not None:
                return dataclasses.replace(record, held=False)
        raise BboxError(
            ErrorCode.SESSION_STATE,
            cause=f"Session {session} ended before its snapshot was taken: there is nothing in it.",
            remediation=f"`bbox discard {session}` removes it, `bbox logs {session}` says why.",
        )
