# SPDX-License-Identifier: Apache-2.0
"""Find the session that a user means."""

from dataclasses import dataclass
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionRecord, SessionState, SessionStore
from bbox_server.domain.workspace import HostPath

REVIEWABLE: Final = frozenset(
    {
        SessionState.RUNNING,
        SessionState.STOPPING,
        SessionState.REVIEWING,
        SessionState.FLUSHING,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FindSession:
    """By its id, or the newest of a workspace."""

    sessions: SessionStore

    def __call__(
        self, session: str | None, workspace: HostPath, *, done_too: bool = False
    ) -> SessionRecord:
        """The session.

        Args:
            session: Its id, or the beginning of it; None for the newest one of the workspace.
            workspace: Absolute, links resolved.
            done_too: A session that needs no review any more is meant as well.

        Raises:
            BboxError: session.unknown.
        """
        records = self.sessions.list()
        if session is not None:
            return _named(session, records)
        states = REVIEWABLE | {SessionState.DONE} if done_too else REVIEWABLE
        for record in records:
            if record.workspace == workspace and record.state in states:
                return record
        raise BboxError(
            ErrorCode.SESSION_UNKNOWN,
            cause=f"No session of {workspace} waits for review.",
            remediation="`bbox sessions --all` lists the sessions of all workspaces.",
        )


def _named(name: str, records: tuple[SessionRecord, ...]) -> SessionRecord:
    found = [record for record in records if name and record.id.startswith(name)]
    if len(found) == 1:
        return found[0]
    cause = f"There is no session {name!r}." if not found else f"{name!r} begins several sessions."
    raise BboxError(
        ErrorCode.SESSION_UNKNOWN, cause=cause, remediation="`bbox sessions --all` lists them."
    )
