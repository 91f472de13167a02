# SPDX-License-Identifier: Apache-2.0
"""Sessions: one agent run, from its snapshot to its flush."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
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


class AfterRun(StrEnum):
    """What the user's config wants when the agent has ended; an option of the run wins."""

    ASK = "ask"
    REVIEW = "review"
    APPLY = "apply"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """What is known of a session, as it is on disk.

    Attributes:
        command: What ran in the guest; the agent's own command where it is empty.
        created_at: Seconds since the epoch.
        generation: Directory of the baseline, once there is one.
        held: A process works on it now (not stored).
    """

    id: SessionId
    state: SessionState
    agent: str
    workspace: HostPath
    command: tuple[str, ...]
    image: str
    created_at: float
    generation: HostPath | None = None
    exit: ExitStatus | None = None
    failure: Failure | None = None
    after: AfterRun = AfterRun.ASK
    held: bool = False


class EventKind(StrEnum):
    """Kinds of `bbox/event` (protocol.md, Events).

    RESYNC takes the place of what a slow client missed, and is never stored: lists are to be
    asked for again.
    """

    STATE = "session.state"
    PROGRESS = "progress"
    CHANGES = "changes"
    REVIEW = "review"
    FLUSH = "flush"
    NETWORK_BLOCKED = "network.blocked"
    NETWORK_OPEN = "network.open"
    NETWORK_CLOSE = "network.close"
    NETWORK_ASK = "network.ask"
    NETWORK_ANSWERED = "network.answered"
    CREDENTIAL_USED = "credential.used"
    RESOURCE = "resource"
    WARNING = "warning"
    CLOSED = "closed"
    RESYNC = "resync"


EventValue = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """One thing that happened; `seq` counts from 1 without gaps in its session."""

    session: SessionId
    seq: int
    at: float
    kind: EventKind
    fields: Mapping[str, EventValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDirectories:
    """Where a session's files are.

    Attributes:
        state: Kept until the session is reviewed or discarded (architecture.md, On disk).
        runtime: Sockets and what boots; short path, gone with the machine's uptime.
    """

    state: HostPath
    runtime: HostPath


class SessionStore(Protocol):
    """Sessions on disk. One process at a time holds a session."""

    def create(self, record: SessionRecord) -> SessionDirectories:
        """Make the session's directories and write its record. Raises: disk.full."""
        ...

    def hold(self, session: SessionId) -> AbstractContextManager[SessionDirectories]:
        """Be the session's one writer. Raises: session.unknown, session.busy."""
        ...

    def save(self, record: SessionRecord) -> None:
        """Replace the record, durably, before the caller announces the state."""
        ...

    def list(self) -> tuple[SessionRecord, ...]:
        """Every readable session, newest first; `held` tells whether a process works on it."""
        ...

    def remove(self, session: SessionId) -> None:
        """Delete all of the session's files. Raises: session.unknown, session.busy."""
        ...


class SessionObserver(Protocol):
    """Where the core reports what happens; adapters log it, store it and show it."""

    def event(self, kind: EventKind, fields: Mapping[str, EventValue]) -> None:
        """Take one event."""
        ...
