# SPDX-License-Identifier: Apache-2.0
"""Flushes to a workspace on a local disk."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import (
    ContentSource,
    Flusher,
    FlushId,
    FlushKind,
    FlushRecord,
    FlushReport,
    PathResult,
)
from bbox_server.domain.plan import FlushPlan, Operation, OperationKind
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, digest_of
from bbox_server.infra.workspace.flush_applying import Applying
from bbox_server.infra.workspace.flush_journal import Journal
from bbox_server.infra.workspace.flush_lock import locked
from bbox_server.infra.workspace.flush_record import Intent
from bbox_server.infra.workspace.flush_rollback import roll_back
from bbox_server.infra.workspace.flush_staging import Staging, is_staged
from bbox_server.infra.workspace.flush_steps import Faults, NoFaults, Steps
from bbox_server.infra.workspace.flush_store import FlushStore
from bbox_server.infra.workspace.flush_undo import invert
from bbox_server.infra.workspace.present import open_workspace

_T = TypeVar("_T")

_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class DiskFlusher(Flusher):
    """Journaled, verified flushes of one session (workspace.md 7)."""

    def __init__(
        self,
        *,
        workspace: HostPath,
        journals: HostPath,
        lock: HostPath,
        session: SessionId,
        faults: Faults | None = None,
    ) -> None:
        """Nothing is touched yet.

        Args:
            workspace: The user's folder.
            journals: The session's directory of flushes; made when it is needed.
            lock: The workspace's lock file, the same for all sessions on it.
            session: Part of the names of staged files.
            faults: For tests.
        """
        self._workspace = workspace
        self._lock = lock
        steps = Steps(faults=faults or NoFaults())
        self._store = FlushStore(directory=journals, session=session, steps=steps)
        self._is_locked = False

    @override
    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        async with locked(self._lock):
            self._is_locked = True
            try:
                yield
            finally:
                self._is_locked = False

    @override
    async def apply(self, plan: FlushPlan, contents: ContentSource) -> FlushReport:
        self._check_locked()
        intent = Intent(kind=FlushKind.FLUSH, operations=plan.operations)
        with _translated_errors(), self._root() as root_fd, self._store.begin(intent) as journal:
            staging = Staging(root_fd=root_fd, journal=journal)
            try:
                for index, operation in enumerate(plan.operations):
                    await _stage(staging, index, operation, contents)
                results = await _uninterrupted(lambda: _finish(staging, intent))
            except BaseException:
                await _uninterrupted(lambda: self._give_up(root_fd, journal, intent))
                raise
            finally:
                staging.close()
            return FlushReport(flush=journal.flush, kind=intent.kind, results=results)

    @override
    async def undo(self, flush: FlushId) -> FlushReport:
        self._check_locked()
        with _translated_errors():
            return await _uninterrupted(lambda: self._undo(flush))

    @override
    async def recover(self) -> tuple[FlushReport, ...]:
        self._check_locked()
        with _translated_errors():
            return await _uninterrupted(self._recover)

    @override
    async def records(self) -> tuple[FlushRecord, ...]:
        return await asyncio.to_thread(self._records)

    def _undo(self, flush: FlushId) -> FlushReport:
        with self._store.opened(flush) as undone, self._root() as root_fd:
            done = undone.intent() if undone.is_done else None
            if done is None or any(r.undone_by for r in self._records() if r.flush == flush):
                raise BboxError(
                    ErrorCode.FLUSH_UNKNOWN,
                    cause=f"Flush {flush} is undone already, or was not finished.",
                    remediation="Leave the number out to undo the last one.",
                )
            inverse = invert(undone, done, undone.outcomes(done))
            with self._store.begin(inverse.intent) as journal:
                staging = Staging(root_fd=root_fd, journal=journal)
                try:
                    for index, operation in enumerate(inverse.intent.operations):
                        if index in inverse.originals:
                            staging.stage_original(index, operation, inverse.originals[index])
                        elif is_staged(operation):
                            staging.stage(index, operation, b"", exact_mode=operation.mode)
                    results = _finish(staging, inverse.intent)
                except BaseException:
                    self._give_up(root_fd, journal, inverse.intent)
                    raise
                finally:
                    staging.close()
                return FlushReport(flush=journal.flush, kind=FlushKind.UNDO, results=results)

    def _recover(self) -> tuple[FlushReport, ...]:
        reports: list[FlushReport] = []
        for flush in self._store.ids():
            with self._store.opened(flush) as journal:
                if journal.is_done:
                    continue
                report = self._recover_one(journal)
            if report is not None:
                reports.append(report)
        return tuple(reports)

    def _recover_one(self, journal: Journal) -> FlushReport | None:
        intent = journal.intent()
        if intent is None:
            self._store.discard(journal)
            return None
        with self._root() as root_fd:
            commit = journal.commit()
            if commit is None:
                results = roll_back(root_fd, journal, intent)
                self._store.discard(journal)
            else:
                applying = Applying(root_fd=root_fd, journal=journal, intent=intent, commit=commit)
                results = applying.apply()
        return FlushReport(flush=journal.flush, kind=intent.kind, results=results)

    def _give_up(self, root_fd: int, journal: Journal, intent: Intent) -> None:
        """Roll back what is not committed; what is, goes on with the next recovery."""
        if journal.commit() is None:
            roll_back(root_fd, journal, intent)
            self._store.discard(journal)

    def _records(self) -> tuple[FlushRecord, ...]:
        found: dict[FlushId, tuple[Intent, dict[int, PathResult]]] = {}
        for flush in self._store.ids():
            with self._store.opened(flush) as journal:
                intent = journal.intent() if journal.is_done else None
                if intent is not None:
                    found[flush] = (intent, journal.outcomes(intent))
        undone = {intent.undoes: flush for flush, (intent, _) in found.items() if intent.undoes}
        return tuple(
            FlushRecord(
                flush=flush,
                kind=intent.kind,
                results=tuple(result for _, result in sorted(outcomes.items())),
                undone_by=undone.get(flush),
            )
            for flush, (intent, outcomes) in sorted(found.items())
        )

    @contextmanager
    def _root(self) -> Iterator[int]:
        root_fd = open_workspace(self._workspace)
        try:
            yield root_fd
        finally:
            os.close(root_fd)

    def _check_locked(self) -> None:
        if not self._is_locked:
            msg = "hold the lock of the workspace over plan and flush"
            raise AssertionError(msg)


async def _stage(
    staging: Staging, index: int, operation: Operation, contents: ContentSource
) -> None:
    if not is_staged(operation):
        return
    if operation.kind is not OperationKind.WRITE:
        await _uninterrupted(lambda: staging.stage(index, operation, b""))
        return
    try:
        content = await contents.read(operation)
    except BboxError as error:
        staging.fail(index, error.cause)
        return
    if digest_of(content) != operation.content:
        staging.fail(index, "its content is no longer what was reviewed")
        return
    await _uninterrupted(lambda: staging.stage(index, operation, content))


def _finish(staging: Staging, intent: Intent) -> tuple[PathResult, ...]:
    commit = staging.commit()
    staging.journal.write_commit(commit)
    applying = Applying(
        root_fd=staging.root_fd, journal=staging.journal, intent=intent, commit=commit
    )
    return applying.apply()


async def _uninterrupted(call: Callable[[], _T]) -> _T:
    """Run in a thread to its end, even when we are cancelled meanwhile: it writes to a disk."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


@contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        is_full = error.errno in _DISK_FULL
        raise BboxError(
            ErrorCode.DISK_FULL if is_full else ErrorCode.FLUSH_FAILED,
            cause=f"The flush's own records can't be written: {error.strerror or error}.",
            remediation=(
                "Make space or give write access to the state directory, then flush again. "
                "What was begun is finished or taken back first."
            ),
        ) from error
