# SPDX-License-Identifier: Apache-2.0
"""What every sweep of leftovers does: never to a session that is locked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from bbox_server.domain.housekeeping import StaleFiles
from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.session_api import place as place_of_hosts
from bbox_server.infra.sessions.stale import HOSTS, DiskStaleFiles
from bbox_server.infra.sessions.store import DiskSessionStore
from tests.fakes.housekeeping import MemoryStaleFiles

SESSION, OTHER = SessionId("00c0ffee"), SessionId("0badcafe")
NOW = 1_000_000.0


class Place(Protocol):
    """Where a test leaves something."""

    @property
    def files(self) -> StaleFiles: ...

    def leave_runtime(self, session: SessionId) -> None: ...

    def leave_log(self, session: SessionId, at: float) -> None: ...

    @contextmanager
    def alive(self, session: SessionId) -> Iterator[None]: ...


class MemoryPlace(Place):
    def __init__(self) -> None:
        self._files = MemoryStaleFiles()

    @property
    @override
    def files(self) -> MemoryStaleFiles:
        return self._files

    @override
    def leave_runtime(self, session: SessionId) -> None:
        self.files.runtime.add(session)

    @override
    def leave_log(self, session: SessionId, at: float) -> None:
        self.files.logs[session] = at

    @override
    @contextmanager
    def alive(self, session: SessionId) -> Iterator[None]:
        self.files.held.add(session)
        yield
        self.files.held.remove(session)


class DiskPlace(Place):
    def __init__(self, root: Path) -> None:
        self.state, self.runtime = root / "state", root / "run"
        self.store = DiskSessionStore(state=self.state, runtime=self.runtime, keep_runtime=True)

    @property
    @override
    def files(self) -> DiskStaleFiles:
        return DiskStaleFiles(state=self.state, runtime=self.runtime)

    @override
    def leave_runtime(self, session: SessionId) -> None:
        self.store.create(a_record(session))
        with self.store.hold(session):
            (self.runtime / session / "initramfs").write_text("keys")

    @override
    def leave_log(self, session: SessionId, at: float) -> None:
        directory = self.state / "sessions" / session
        directory.mkdir(parents=True)
        (directory / "host.log").write_text("log")
        os.utime(directory, (at, at))

    @override
    @contextmanager
    def alive(self, session: SessionId) -> Iterator[None]:
        if not (self.state / "sessions" / session / "lock").exists():
            (self.state / "sessions" / session / "lock").touch()
            os.utime(self.state / "sessions" / session, (1, 1))
        with self.store.hold(session):
            yield


def a_record(session: SessionId) -> SessionRecord:
    return SessionRecord(
        id=session,
        state=SessionState.REVIEWING,
        agent="codex",
        workspace=HostPath("/w"),
        command=(),
        image="",
        created_at=1.0,
    )


@pytest.fixture(params=["fake", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return MemoryPlace() if request.param == "fake" else DiskPlace(tmp_path)


def test_what_a_killed_vm_was_started_from_goes(place: Place) -> None:
    place.leave_runtime(SESSION)
    assert place.files.sweep(NOW) == (SESSION,)
    assert place.files.sweep(NOW) == ()


def test_what_belongs_to_a_locked_session_stays(place: Place) -> None:
    place.leave_runtime(SESSION)
    place.leave_log(OTHER, at=1)
    with place.alive(SESSION), place.alive(OTHER):
        assert place.files.sweep(NOW) == ()
    assert place.files.sweep(NOW) == (SESSION, OTHER)


def test_a_log_of_a_session_that_never_was_stays_for_its_days(place: Place) -> None:
    place.leave_log(SESSION, at=NOW - 10)
    assert place.files.sweep(NOW - 20) == ()
    assert place.files.sweep(NOW - 5) == (SESSION,)


def test_there_may_be_nothing(place: Place) -> None:
    assert place.files.sweep(NOW) == ()


def test_the_agents_work_and_the_record_stay(tmp_path: Path) -> None:
    place = DiskPlace(tmp_path)
    place.leave_runtime(SESSION)
    work = place.state / "sessions" / SESSION / "upper"
    work.mkdir()
    lock = place.runtime / HOSTS / f"{SESSION}.lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(place.state / "sessions" / SESSION, (1, 1))
    place.files.sweep(NOW)
    assert work.is_dir()
    assert [record.id for record in place.store.list()] == [SESSION]
    assert list(place.runtime.rglob("*")) == [lock.parent, lock]


def test_sockets_without_a_session_go_and_other_names_stay(tmp_path: Path) -> None:
    place = DiskPlace(tmp_path)
    assert HOSTS == place_of_hosts.HOSTS
    hosts = place.runtime / HOSTS
    hosts.mkdir(parents=True)
    for name in ("00c0ffee.sock", "00c0ffee.lock", "notes.txt", "mine"):
        (hosts / name).touch()
    (place.runtime / "0badcafe").symlink_to(tmp_path)
    assert place.files.sweep(NOW) == (SESSION,)
    assert sorted(path.name for path in hosts.iterdir()) == ["mine", "notes.txt"]
    assert (place.runtime / "0badcafe").is_symlink()
