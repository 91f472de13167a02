# SPDX-License-Identifier: Apache-2.0
"""A session's state: on disk first, announced then."""

import dataclasses

from bbox_server.domain.error import BboxError
from bbox_server.domain.session import (
    EventKind,
    ExitStatus,
    Failure,
    SessionObserver,
    SessionRecord,
    SessionState,
    SessionStore,
)
from bbox_server.domain.workspace import HostPath


class SessionJournal:
    """The one place that changes a session's record while it is held."""

    def __init__(
        self, *, record: SessionRecord, store: SessionStore, observer: SessionObserver
    ) -> None:
        self.record = record
        self.observer = observer
        self._store = store

    def enter(self, state: SessionState) -> None:
        """Go to a state."""
        self._save(dataclasses.replace(self.record, state=state))
        self.observer.event(EventKind.STATE, {"state": state.value})

    def took_snapshot(self, generation: HostPath) -> None:
        """Remember the baseline: without it the agent's changes mean nothing."""
        self._save(dataclasses.replace(self.record, generation=generation))

    def ended(self, status: ExitStatus) -> None:
        """Remember how the agent ended."""
        self._save(dataclasses.replace(self.record, exit=status))
        self.observer.event(
            EventKind.CLOSED, {"code": status.code, "signal": status.signal or None}
        )

    def failed(self, error: BboxError) -> None:
        """Remember a failure; the state stays what it was."""
        failure = Failure(
            code=error.code.value,
            message=error.message,
            cause=error.cause,
            remediation=error.remediation,
            retry=error.retry,
        )
        self._save(dataclasses.replace(self.record, failure=failure))
        self.observer.event(EventKind.WARNING, {"code": failure.code, "cause": failure.cause})

    def _save(self, record: SessionRecord) -> None:
        self._store.save(record)
        self.record = record
