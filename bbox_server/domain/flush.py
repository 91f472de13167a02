# SPDX-License-Identifier: Apache-2.0
"""The flush: how a plan reaches the workspace, what came of it, and its undo."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType, Protocol

from bbox_server.domain.change import ChangeId
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.plan import FlushPlan, Operation, OperationKind, Present
from bbox_server.domain.workspace import WorkspacePath

FlushId = NewType("FlushId", int)
"""Counts a session's flushes from 1; an undo is one, too."""


class FlushKind(StrEnum):
    """What a flush is for."""

    FLUSH = "flush"
    UNDO = "undo"


class ResultKind(StrEnum):
    """What became of one operation."""

    APPLIED = "applied"
    CHANGED_MEANWHILE = "changedMeanwhile"
    FAILED = "failed"
    NOT_EMPTY = "notEmpty"
    ROLLED_BACK = "rolledBack"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathResult:
    """One operation's outcome; `detail` says why it was not applied."""

    change: ChangeId
    path: WorkspacePath
    operation: OperationKind
    result: ResultKind
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushReport:
    """What a flush, an undo or a recovery did, to files and to refs of the user's repositories."""

    flush: FlushId
    kind: FlushKind
    results: tuple[PathResult, ...]
    refs: tuple[RefUpdate, ...] = ()

    @property
    def applied(self) -> tuple[PathResult, ...]:
        """What is in the workspace now."""
        return tuple(r for r in self.results if r.result is ResultKind.APPLIED)

    @property
    def failed(self) -> tuple[PathResult, ...]:
        """What is as it was."""
        return tuple(r for r in self.results if r.result is not ResultKind.APPLIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushRecord:
    """A finished flush that is kept for undo. `undone_by` is None while it can be undone."""

    flush: FlushId
    kind: FlushKind
    results: tuple[PathResult, ...]
    undone_by: FlushId | None = None


class ContentSource(Protocol):
    """Where a flush gets the contents it writes."""

    async def read(self, operation: Operation) -> bytes:
        """The bytes of the operation's digest. Raises: review.stale, snapshot.limit."""
        ...


class WorkspaceFiles(Protocol):
    """The user's files as they are now. Nothing is followed, nothing is written."""

    async def observe(self, paths: Sequence[WorkspacePath]) -> Mapping[WorkspacePath, Present]:
        """What is at each path. Raises: workspace.invalid."""
        ...

    async def read(self, path: WorkspacePath, limit_bytes: int) -> bytes:
        """A regular file's content. Raises: flush.stale where it is none any more."""
        ...


class Flusher(Protocol):
    """Applies plans of one session to its workspace, so that a crash at any time loses nothing."""

    def lock(self) -> AbstractAsyncContextManager[None]:
        """Hold the workspace's lock: over plan, flush, undo and recovery. Raises: flush.busy."""
        ...

    async def apply(self, plan: FlushPlan, contents: ContentSource) -> FlushReport:
        """Apply a plan. One path's failure leaves the others be. Raises: disk.full."""
        ...

    async def undo(self, flush: FlushId) -> FlushReport:
        """Bring back what a flush replaced, except where the user has edited since.

        Raises: flush.journal-corrupt, flush.unknown, disk.full.
        """
        ...

    async def recover(self) -> tuple[FlushReport, ...]:
        """Finish or roll back what a crash interrupted. Raises: flush.journal-corrupt."""
        ...

    async def records(self) -> tuple[FlushRecord, ...]:
        """The finished flushes, oldest first."""
        ...
