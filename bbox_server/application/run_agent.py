# SPDX-License-Identifier: Apache-2.0
"""Run an agent on a snapshot of the workspace, up to the changes that wait for review."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bbox_server.application.attach_terminal import AttachTerminal
from bbox_server.application.configure_run import ConfiguredRun, ConfigureRun
from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.open_directly import OpenDirectly
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.application.prune_sessions import PruneSessions
from bbox_server.application.run_sandbox import RunSandbox
from bbox_server.application.session_journal import SessionJournal
from bbox_server.domain.change import ChangeSet
from bbox_server.domain.clock import Clock, IdSource
from bbox_server.domain.error import BboxError, first_error
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.session import (
    EventKind,
    ExitStatus,
    SessionDirectories,
    SessionId,
    SessionObserver,
    SessionRecord,
    SessionState,
    SessionStore,
)
from bbox_server.domain.snapshot import Overlay, Snapshots
from bbox_server.domain.terminal import TerminalRecorder, UserTerminal
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFiles:
    """How the adapters of one session are made from its directories."""

    observer: Callable[[SessionDirectories, SessionId], SessionObserver]
    recorder: Callable[[SessionDirectories], TerminalRecorder]
    overlay: Callable[[SessionDirectories, HostPath], Overlay]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What a run left behind.

    Attributes:
        changes: All that the agent changed; empty when the session needs no review.
    """

    session: SessionId
    exit: ExitStatus
    changes: ChangeSet


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAgent:
    """The run in order (architecture.md). Whatever fails, the agent's files stay."""

    sessions: SessionStore
    files: SessionFiles
    snapshots: Snapshots
    configure: ConfigureRun
    prepare: PrepareRun
    sandbox: RunSandbox
    terminal: UserTerminal
    progress: ProgressObserver
    clock: Clock
    ids: IdSource
    trace: ExportTrace
    direct: OpenDirectly
    prune: PruneSessions

    async def __call__(self, request: RunRequest) -> RunOutcome:
        """Run to the end of the agent. Raises: what preparing and starting raise."""
        run = await asyncio.to_thread(self.configure, request)
        record = self._record(run)
        self.direct.check(run.request)
        await self.prune()
        self.sessions.create(record)
        with self.sessions.hold(record.id) as directories:
            journal = SessionJournal(
                record=record,
                store=self.sessions,
                observer=self.files.observer(directories, record.id),
            )
            self.progress.noted(f"Session {record.id}: `bbox logs {record.id}` tells about it")
            if self.prune.keep_days is None:
                self.progress.warned(
                    f"Nothing is cleaned up: {directories.runtime} will keep the session's keys"
                )
            self._warn(run, journal)
            try:
                return await self._run(run, directories, journal)
            except (BboxError, ExceptionGroup) as error:
                failure = error if isinstance(error, BboxError) else first_error(error)
                if failure is not None:
                    journal.failed(failure)
                self._leave(journal)
                raise
            except asyncio.CancelledError:
                self._leave(journal)
                raise
            finally:
                self._export(request, journal)

    async def _run(
        self, run: ConfiguredRun, directories: SessionDirectories, journal: SessionJournal
    ) -> RunOutcome:
        journal.enter(SessionState.PREPARING)
        launch = await self.prepare(run, journal.record.id, directories)
        attach = AttachTerminal(terminal=self.terminal, recorder=self.files.recorder(directories))
        if launch.snapshot is None:
            share = await self.direct(run.request, directories)
            status = await self.sandbox(launch, share, directories, journal, attach)
            return self._nothing_to_review(journal, status)
        await self.snapshots.hold(journal.record.id, launch.snapshot)
        journal.took_snapshot(launch.snapshot.root)
        overlay = self.files.overlay(directories, launch.snapshot.root)
        status = await self.sandbox(launch, overlay.share, directories, journal, attach)
        return await self._collect(overlay, journal, status)

    def _nothing_to_review(self, journal: SessionJournal, status: ExitStatus) -> RunOutcome:
        journal.enter(SessionState.DONE)
        return RunOutcome(
            session=journal.record.id, exit=status, changes=ChangeSet(changes=(), revision=0)
        )

    async def _collect(
        self, overlay: Overlay, journal: SessionJournal, status: ExitStatus
    ) -> RunOutcome:
        self.progress.started(Phase.DIFF, "Computing what changed…")
        changes = await overlay.changes()
        self.progress.finished(Phase.DIFF, f"{len(changes.changes)} changes")
        if changes.changes:
            journal.enter(SessionState.REVIEWING)
        else:
            journal.enter(SessionState.DONE)
            await self.snapshots.release(journal.record.id)
        return RunOutcome(session=journal.record.id, exit=status, changes=changes)

    def _warn(self, run: ConfiguredRun, journal: SessionJournal) -> None:
        """Say what should be known of the config, at once and in the session's events."""
        for finding in run.findings:
            fields = {"text": str(finding), "finding": finding.kind.value}
            journal.observer.event(EventKind.WARNING, fields)
        for text in run.warnings:
            self.progress.warned(text)

    def _record(self, run: ConfiguredRun) -> SessionRecord:
        request = run.request
        return SessionRecord(
            id=self.ids.session_id(),
            state=SessionState.CREATED,
            agent=run.name,
            workspace=request.workspace,
            command=request.arguments,
            image=request.image,
            created_at=self.clock.now(),
            after=run.after,
        )

    def _export(self, request: RunRequest, journal: SessionJournal) -> None:
        if request.trace and (cause := self.trace(journal.record)):
            self.progress.warned(f"There is no trace: {cause}")

    def _leave(self, journal: SessionJournal) -> None:
        """End a run that was cut short: to review if there can be anything, else failed."""
        record = journal.record
        ran = record.state in {SessionState.RUNNING, SessionState.STOPPING}
        if ran and record.generation is not None:
            journal.enter(SessionState.REVIEWING)
        elif ran and record.failure is None:
            # Direct mode, stopped by the user: what was done is in the workspace.
            journal.enter(SessionState.DONE)
        else:
            journal.enter(SessionState.FAILED)
