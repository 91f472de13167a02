# SPDX-License-Identifier: Apache-2.0
"""Sessions, observers and terminals in memory."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.clock import Clock, IdSource
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import (
    SessionDirectories,
    SessionEvent,
    SessionId,
    SessionRecord,
    SessionState,
    SessionStore,
)
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.terminal import (
    OutputStream,
    TerminalRecorder,
    TerminalSize,
    UserTerminal,
)
from bbox_server.domain.workspace import HostPath


@dataclass
class MemorySessionStore(SessionStore):
    """Remembers every state that was saved, in order."""

    root: str = "/nowhere"
    records: dict[SessionId, SessionRecord] = field(default_factory=dict)
    states: list[SessionState] = field(default_factory=list)
    _held: set[SessionId] = field(default_factory=set)

    @override
    def create(self, record: SessionRecord) -> SessionDirectories:
        self.records[record.id] = record
        return self._directories(record.id)

    @override
    @contextmanager
    def hold(self, session: SessionId) -> Iterator[SessionDirectories]:
        if session not in self.records:
            raise _error(ErrorCode.SESSION_UNKNOWN, f"There is no session {session!r}.")
        if session in self._held:
            raise _error(ErrorCode.SESSION_BUSY, f"Session {session} is in use.")
        self._held.add(session)
        try:
            yield self._directories(session)
        finally:
            self._held.discard(session)

    @override
    def save(self, record: SessionRecord) -> None:
        self.records[record.id] = record
        self.states.append(record.state)

    @override
    def list(self) -> tuple[SessionRecord, ...]:
        found = [
            dataclasses.replace(record, held=record.id in self._held)
            for record in self.records.values()
        ]
        return tuple(sorted(found, key=lambda record: record.created_at, reverse=True))

    @override
    def remove(self, session: SessionId) -> None:
        with self.hold(session):
            del self.records[session]

    def _directories(self, session: SessionId) -> SessionDirectories:
        return SessionDirectories(
            state=HostPath(f"{self.root}/state-{session}"),
            runtime=HostPath(f"{self.root}"),
        )


def _error(code: ErrorCode, cause: str) -> BboxError:
    return BboxError(code, cause=cause, remediation="`bbox sessions` lists them.")


@dataclass
class FakeTerminal(UserTerminal, TerminalRecorder):
    """A terminal that a test types into and reads from; None as size makes it a pipe."""

    columns_rows: TerminalSize | None = None
    typed: list[bytes] = field(default_factory=list)
    shown: bytes = b""
    errors: bytes = b""
    recorded: bytes = b""
    is_attached: bool = False
    resizes: "asyncio.Queue[TerminalSize]" = field(default_factory=asyncio.Queue)

    @override
    def size(self) -> TerminalSize | None:
        return self.columns_rows

    @override
    @asynccontextmanager
    async def attached(self) -> AsyncIterator[None]:
        self.is_attached = True
        try:
            yield
        finally:
            self.is_attached = False

    @override
    async def read(self) -> bytes:
        return self.typed.pop(0) if self.typed else b""

    @override
    async def write(self, data: bytes, stream: OutputStream) -> None:
        if stream is OutputStream.OUTPUT:
            self.shown += data
        else:
            self.errors += data

    @override
    async def resized(self) -> TerminalSize:
        return await self.resizes.get()

    @override
    def append(self, data: bytes) -> None:
        self.recorded += data


@dataclass
class RecordingProgress(ProgressObserver):
    """Remembers what it was told."""

    phases: list[tuple[str, Phase]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @override
    def started(self, phase: Phase, message: str) -> None:
        self.phases.append(("started", phase))

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        self.phases.append(("advanced", phase))

    @override
    def finished(self, phase: Phase, message: str) -> None:
        self.phases.append(("finished", phase))

    @override
    def failed(self, phase: Phase, message: str) -> None:
        self.phases.append(("failed", phase))

    @override
    def noted(self, message: str) -> None:
        self.notes.append(message)

    @override
    def warned(self, message: str) -> None:
        self.warnings.append(message)


@dataclass
class FakeClock(Clock):
    """Stands still until a test moves it."""

    seconds: float = 1_700_000_000.0

    @override
    def now(self) -> float:
        return self.seconds

    @override
    def monotonic(self) -> float:
        return self.seconds


@dataclass
class FakeIds(IdSource):
    """Counts."""

    number: int = 0

    @override
    def session_id(self) -> SessionId:
        self.number += 1
        return SessionId(f"{self.number:08x}")

    @override
    def token(self) -> str:
        self.number += 1
        return f"token-{self.number}"


class MemorySessionLogs(SessionLogs):
    """Logs by session."""

    def __init__(self) -> None:
        self.written: dict[SessionId, list[SessionEvent]] = {}
        self.consoles: dict[SessionId, str] = {}

    @override
    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        return self.written.get(session, [])

    @override
    def console(self, session: SessionId) -> str:
        return self.consoles.get(session, "")

    @override
    def trace(self, session: SessionId) -> HostPath | None:
        return None
