# SPDX-License-Identifier: Apache-2.0
"""A session's events as JSON lines, numbered without gaps."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.clock import Clock
from bbox_server.domain.session import (
    EventKind,
    EventValue,
    SessionEvent,
    SessionId,
    SessionObserver,
)

EVENTS: Final = "events.jsonl"
# A state is on disk before anybody hears of it; the rest may be lost in a power cut.
DURABLE: Final = frozenset({EventKind.STATE, EventKind.FLUSH, EventKind.CLOSED})


class EventLog(SessionObserver):
    """Appends a session's events; the relay's and the proxy's threads may call it too."""

    def __init__(
        self,
        *,
        directory: Path,
        session: SessionId,
        clock: Clock,
        announce: Callable[[SessionEvent], None] = lambda _: None,
    ) -> None:
        """Go on with the events that are there.

        `announce` is told of each event once it is written, in order and under our lock.
        """
        self._path = directory / EVENTS
        self._session = session
        self._clock = clock
        self._announce = announce
        self._lock = threading.Lock()
        self._seq = max((event.seq for event in read_events(directory, session)), default=0)
        self._end_cut_line()

    @override
    def event(self, kind: EventKind, fields: Mapping[str, EventValue]) -> None:
        with self._lock:
            self._seq += 1
            at = self._clock.now()
            line = {"seq": self._seq, "ts": at, "kind": kind.value, **fields}
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(descriptor, json.dumps(line).encode() + b"\n")
                if kind in DURABLE:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._announce(
                SessionEvent(session=self._session, seq=self._seq, at=at, kind=kind, fields=fields)
            )

    def _end_cut_line(self) -> None:
        """A crash can leave half a line: the next one must not be glued to it."""
        if self._path.exists() and self._path.read_bytes()[-1:] not in {b"", b"\n"}:
            with self._path.open("ab") as file:
                file.write(b"\n")


def read_events(directory: Path, session: SessionId) -> Iterator[SessionEvent]:
    """Every event, oldest first; a line that a crash cut short is left out."""
    path = directory / EVENTS
    if not path.exists():
        return
    with path.open("rb") as file:
        for line in file:
            event = _event(line, session)
            if event is not None:
                yield event


def _event(line: bytes, session: SessionId) -> SessionEvent | None:
    try:
        fields = json.loads(line)
        return SessionEvent(
            session=session,
            seq=fields.pop("seq"),
            at=fields.pop("ts"),
            kind=EventKind(fields.pop("kind")),
            fields=fields,
        )
    except (ValueError, KeyError, AttributeError):
        return None
