# SPDX-License-Identifier: Apache-2.0
"""What one session's host is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from typing_extensions import override

from bbox_server.bootstrap.composition import PACKAGE, TERMINAL_RING, Composition
from bbox_server.domain.clock import IdSource
from bbox_server.domain.session import (
    SessionDirectories,
    SessionEvent,
    SessionId,
    SessionObserver,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.session_host.services import HostServices
from bbox_server.infra.clock.system import GivenIds, SystemClock
from bbox_server.infra.sessions.event_log import EventLog


@dataclass(frozen=True, kw_only=True)
class HostComposition(Composition):
    """The adapters of one session's host."""

    session: SessionId

    def host_services(self) -> HostServices:
        """What the host gets."""
        from bbox_server.infra.session_api.place import HostPlace
        from bbox_server.infra.sessions.logs import DiskSessionLogs
        from bbox_server.infra.sessions.ring import RingReader

        places = self.adapters.directories
        directories = SessionDirectories(
            state=HostPath(str(places.state / "sessions" / self.session)),
            runtime=HostPath(str(places.runtime / self.session)),
        )
        ring = Path(directories.state, TERMINAL_RING)
        reader = RingReader(ring)
        place = HostPlace(runtime=places.runtime, session=self.session)

        def read(offset: int, limit: int) -> tuple[int, bytes]:
            replay = reader.read(offset, limit)
            return replay.offset, replay.data

        def leave() -> None:
            place.remove()
            self.adapters.sessions.forget_unborn(self.session)

        return HostServices(
            session=self.session,
            version=version(PACKAGE),
            environ=self.environ,
            sessions=self.adapters.sessions,
            directories=directories,
            events=lambda: DiskSessionLogs(state=places.state).events(self.session),
            observer=lambda: self.observe(directories, self.session),
            announce_to=self._listeners.append,
            terminal_record=(read, lambda: reader.read(0, 0).end if ring.exists() else 0),
            network=self.network,
            run=self.run_agent,
            review=self.open_review,
            review_parts=self.review_parts,
            ending=place.locked,
            leave=leave,
        )

    @override
    def observe(self, directories: SessionDirectories, session: SessionId) -> SessionObserver:
        # One writer, one numbering.
        if not self._observers:
            self._observers.append(
                EventLog(
                    directory=Path(directories.state),
                    session=session,
                    clock=SystemClock(),
                    announce=self._announce,
                )
            )
        return self._observers[0]

    @property
    @override
    def ids(self) -> IdSource:
        return GivenIds(session=self.session)

    def _announce(self, event: SessionEvent) -> None:
        for listener in self._listeners:
            listener(event)

    @cached_property
    def _listeners(self) -> list[Callable[[SessionEvent], None]]:
        return []

    @cached_property
    def _observers(self) -> list[SessionObserver]:
        return []
