# SPDX-License-Identifier: Apache-2.0
"""A workspace in memory, and a flusher for it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

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
    ResultKind,
    WorkspaceFiles,
)
from bbox_server.domain.plan import (
    ABSENT,
    FlushPlan,
    Operation,
    OperationKind,
    Present,
    PresentKind,
)
from bbox_server.domain.workspace import WorkspacePath, digest_of
from tests.fakes.overlay import Node, Tree


@dataclass(kw_only=True)
class MemoryWorkspace(WorkspaceFiles):
    """The user's files: change `nodes` to be the user."""

    nodes: Tree = field(default_factory=dict)

    @override
    async def observe(self, paths: Sequence[WorkspacePath]) -> Mapping[WorkspacePath, Present]:
        return {path: self.present(path) for path in paths}

    @override
    async def read(self, path: WorkspacePath, limit_bytes: int) -> bytes:
        content = self.nodes[path].content if path in self.nodes else None
        if content is None:
            raise BboxError(
                ErrorCode.FLUSH_STALE, cause=f"{path} is no file.", remediation="Look again."
            )
        return content[:limit_bytes]

    def present(self, path: WorkspacePath) -> Present:
        children = {p.parts[len(path.parts)] for p in self.nodes if path in p.parents}
        node = self.nodes.get(path)
        if children or (node and node.content is None and node.target is None):
            names = tuple(sorted(children))
            return Present(kind=PresentKind.DIRECTORY, mode=0o755, names=names)
        if node is None or any(self._is_leaf(up) for up in path.parents):
            return ABSENT
        if node.target is not None:
            return Present(kind=PresentKind.SYMLINK, mode=0o777, link_target=node.target)
        digest = digest_of(node.content or b"")
        return Present(kind=PresentKind.FILE, mode=node.mode, digest=digest)

    def _is_leaf(self, path: WorkspacePath) -> bool:
        node = self.nodes.get(path)
        return node is not None and (node.content is not None or node.target is not None)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A flush, and the whole workspace on both sides of it."""

    record: FlushRecord
    operations: tuple[Operation, ...]
    before: Tree
    after: Tree


@dataclass(kw_only=True)
class MemoryFlusher(Flusher):
    """Applies plans to a workspace in memory; the whole of it before is the undo record."""

    workspace: MemoryWorkspace
    finished: list[Finished] = field(default_factory=list)
    is_locked: bool = False

    @override
    @asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        if self.is_locked:
            raise BboxError(ErrorCode.FLUSH_BUSY, cause="It is held.", remediation="Wait.")
        self.is_locked = True
        try:
            yield
        finally:
            self.is_locked = False

    @override
    async def apply(self, plan: FlushPlan, contents: ContentSource) -> FlushReport:
        assert self.is_locked
        before = dict(self.workspace.nodes)
        results: list[PathResult] = []
        for operation in plan.operations:
            needed = None if operation.needs is None else results[operation.needs].result
            if needed not in {None, ResultKind.APPLIED}:
                results.append(_result(operation, ResultKind.FAILED, "another was not applied"))
            else:
                results.append(await self._run(operation, contents))
        return self._finish(FlushKind.FLUSH, plan.operations, before, tuple(results))

    @override
    async def undo(self, flush: FlushId) -> FlushReport:
        assert self.is_locked
        for index, done in enumerate(self.finished):
            if done.record.flush == flush and done.record.undone_by is None:
                now = dict(self.workspace.nodes)
                results = tuple(self._take_back(operation, done) for operation in done.operations)
                report = self._finish(FlushKind.UNDO, (), now, results)
                record = replace(done.record, undone_by=report.flush)
                self.finished[index] = replace(done, record=record)
                return report
        raise BboxError(ErrorCode.FLUSH_UNKNOWN, cause="There is none.", remediation="Look again.")

    @override
    async def recover(self) -> tuple[FlushReport, ...]:
        assert self.is_locked
        return ()

    @override
    async def records(self) -> tuple[FlushRecord, ...]:
        return tuple(done.record for done in self.finished)

    def _finish(
        self,
        kind: FlushKind,
        operations: tuple[Operation, ...],
        before: Tree,
        results: tuple[PathResult, ...],
    ) -> FlushReport:
        flush = FlushId(len(self.finished) + 1)
        record = FlushRecord(flush=flush, kind=kind, results=results)
        after = dict(self.workspace.nodes)
        done = Finished(record=record, operations=operations, before=before, after=after)
        self.finished.append(done)
        return FlushReport(flush=flush, kind=kind, results=results)

    async def _run(self, operation: Operation, contents: ContentSource) -> PathResult:
        now, expected = self.workspace.present(operation.path), operation.expected
        if (expected.kind, expected.digest) != (now.kind, now.digest):
            return _result(operation, ResultKind.CHANGED_MEANWHILE, "it changed")
        if operation.kind is OperationKind.REMOVE_DIRECTORY and now.names:
            return _result(operation, ResultKind.NOT_EMPTY, "other files are in it")
        content = b""
        if operation.kind is OperationKind.WRITE:
            content = await contents.read(operation)
            if digest_of(content) != operation.content:
                return _result(operation, ResultKind.FAILED, "not what was reviewed")
        self._do(operation, now, content)
        return _result(operation, ResultKind.APPLIED)

    def _do(self, operation: Operation, now: Present, content: bytes) -> None:
        nodes = self.workspace.nodes
        match operation.kind:
            case OperationKind.WRITE:
                mode = now.mode or 0o644 if operation.mode is None else operation.mode
                nodes[operation.path] = Node(content=content, mode=mode)
            case OperationKind.SYMLINK:
                nodes[operation.path] = Node(target=operation.link_target)
            case OperationKind.MAKE_DIRECTORY:
                nodes[operation.path] = Node()
            case OperationKind.CHANGE_MODE:
                nodes[operation.path] = replace(nodes[operation.path], mode=operation.mode or 0)
            case OperationKind.DELETE | OperationKind.REMOVE_DIRECTORY:
                nodes.pop(operation.path, None)
                self._keep_directory(operation.path)

    def _keep_directory(self, path: WorkspacePath) -> None:
        """A directory stays when the last thing in it goes."""
        if path.parent != PurePosixPath():
            self.workspace.nodes.setdefault(path.parent, Node())

    def _take_back(self, operation: Operation, done: Finished) -> PathResult:
        nodes, path = self.workspace.nodes, operation.path
        if nodes.get(path) not in {done.after.get(path), done.before.get(path)}:
            return _result(operation, ResultKind.CHANGED_MEANWHILE, "it changed")
        if path in done.before:
            nodes[path] = done.before[path]
        else:
            nodes.pop(path, None)
        return _result(operation, ResultKind.APPLIED)


def _result(operation: Operation, kind: ResultKind, detail: str = "") -> PathResult:
    return PathResult(
        change=operation.change,
        path=operation.path,
        operation=operation.kind,
        result=kind,
        detail=detail,
    )
