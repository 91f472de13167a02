# SPDX-License-Identifier: Apache-2.0
"""Sessions, failures and findings on the wire (protocol.md)."""

from bbox_server.domain.doctor import Check, CheckStatus
from bbox_server.domain.error import Retry
from bbox_server.domain.session import AfterRun, ExitStatus, Failure, SessionRecord, SessionState
from bbox_server.wire.model import Message


class FailureMessage(Message):
    """The one shape of a failure."""

    code: str
    message: str
    cause: str
    remediation: str
    retry: Retry


class ErrorMessage(Message):
    """A command that failed, on standard output with --json."""

    error: FailureMessage


class ExitMessage(Message):
    """How the agent ended."""

    code: int | None = None
    signal: str | None = None
    out_of_memory: bool = False


class SessionMessage(Message):
    """A session's summary. Times are seconds since the epoch."""

    id: str
    state: SessionState
    agent: str
    workspace: str
    image: str
    command: tuple[str, ...]
    created_at: float
    running: bool
    generation: str | None = None
    exit: ExitMessage | None = None
    failure: FailureMessage | None = None
    after: AfterRun = AfterRun.ASK


class SessionsMessage(Message):
    """A list of sessions, newest first."""

    sessions: tuple[SessionMessage, ...]


class OutcomeMessage(Message):
    """What a run left behind. `changes` can be decided, `withheld` are only listed."""

    session: str
    exit: ExitMessage
    changes: int
    withheld: int
    commits: int = 0


class SessionLost(Message):
    """The session's host was killed, and its microVM with it. The agent's files are kept.

    Any request on the session starts another host, which goes to the review.
    """

    session: str


class CheckMessage(Message):
    """One finding of `bbox doctor`."""

    name: str
    status: CheckStatus
    detail: str
    remediation: str | None = None


class DoctorMessage(Message):
    """All findings; `ready` says whether an agent can run here."""

    ready: bool
    checks: tuple[CheckMessage, ...]


def session_message(record: SessionRecord) -> SessionMessage:
    """A session for a client."""
    return SessionMessage(
        id=record.id,
        state=record.state,
        agent=record.agent,
        workspace=record.workspace,
        image=record.image,
        command=record.command,
        created_at=record.created_at,
        running=record.held,
        generation=record.generation,
        exit=None if record.exit is None else exit_message(record.exit),
        failure=None if record.failure is None else failure_message(record.failure),
        after=record.after,
    )


def exit_message(status: ExitStatus) -> ExitMessage:
    """How the agent ended, for a client."""
    return ExitMessage(code=status.code, signal=status.signal, out_of_memory=status.out_of_memory)


def failure_message(failure: Failure) -> FailureMessage:
    """A failure for a client."""
    return FailureMessage(
        code=failure.code,
        message=failure.message,
        cause=failure.cause,
        remediation=failure.remediation,
        retry=failure.retry,
    )


def doctor_message(checks: tuple[Check, ...]) -> DoctorMessage:
    """All findings for a client."""
    return DoctorMessage(
        ready=all(check.status is not CheckStatus.FAILED for check in checks),
        checks=tuple(
            CheckMessage(
                name=check.name,
                status=check.status,
                detail=check.detail,
                remediation=check.remediation or None,
            )
            for check in checks
        ),
    )
