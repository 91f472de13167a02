# SPDX-License-Identifier: Apache-2.0
"""Sessions: one agent run, from its snapshot to its flush."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol

from bbox_server.domain.error import Retry
from bbox_server.domain.workspace import HostPath

SessionId = NewType("SessionId", str)
"""Eight lower-case hexadecimal digits (compat CLI-10)."""


class SessionState(StrEnum):
    """Each is on disk before it is announced (architecture.md, one run in order)."""

    CREATED = "created"
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    REVIEWING = "reviewing"
    FLUSHING = "flushing"
    DONE = "done"
    FAILED = "failed"
    DISCARDED = "discarded"


ENDED = frozenset({SessionState.DONE, SessionState.FAILED, SessionState.DISCARDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure as it is kept and shown (style.md, errors)."""

    code: str
    message: str
    cause: str
    remediation: str
    retry: Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """How the agent ended: a code, or the name of the signal that ended it (without SIG)."""

    code: int | None
    signal: str | None = None
    out_of_memory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What is known of a session, as it is on disk."""

    id: SessionId
    state: SessionState
    agent: str
    workspace: HostPath
    command: tuple[str, ...]
    image: str
    created_at: float
    generation: str | None = None
    exit: ExitStatus | None = None
    failure: Failure | None = None
    revision: int = 0


class EventKind(StrEnum):
    """Kinds of `bbox/event` (protocol.md, Events)."""

    STATE = "session.state"
    PROGRESS = "progress"
    CHANGES = "changes"
    REVIEW = "review"
    FLUSH = "flush"
    NETWORK_BLOCKED = "network.blocked"
    NETWORK_OPEN = "network.open"
    NETWORK_CLOSE = "network.close"
    CREDENTIAL_USED = "credential.used"
    RESOURCE = "resource"
    WARNING = "warning"
    CLOSED = "closed"


EventValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """One thing that happened; `seq` counts from 1 without gaps in its session."""

    session: SessionId
    seq: int
    at: float
    kind: EventKind
    fields: Mapping[str, EventValue] = field(default_factory=dict)


class SessionStore(Protocol):
    """Sessions on disk. One process at a time holds a session."""

    def create(self, record: SessionRecord) -> None:
        """Make the session's directory and hold its lock."""
        ...

    def save(self, record: SessionRecord) -> None:
        """Replace the record, durably, before the caller announces the state."""
        ...

    def load(self, session: SessionId) -> SessionRecord:
        """Read one session. Raises: session.unknown, session.corrupt."""
        ...

    def list(self) -> tuple[SessionRecord, ...]:
        """Every readable session, newest first."""
        ...

    def remove(self, session: SessionId) -> None:
        """Delete all of the session's files."""
        ...


class SessionObserver(Protocol):
    """Where the core reports what happens; adapters log it, store it and show it."""

    def event(self, kind: EventKind, fields: Mapping[str, EventValue]) -> None:
        """Take one event."""
        ...
