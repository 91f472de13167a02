# SPDX-License-Identifier: Apache-2.0
"""Sessions: durable records, one writer each; events without gaps."""

from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode, Retry
from bbox_server.domain.session import (
    EventKind,
    ExitStatus,
    Failure,
    SessionId,
    SessionRecord,
    SessionState,
    SessionStore,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.clock.system import SystemClock
from bbox_server.infra.sessions.event_log import EventLog, read_events
from bbox_server.infra.sessions.store import DiskSessionStore
from tests.fakes.session import MemorySessionStore

SESSION = SessionId("00c0ffee")


def a_record(session: SessionId = SESSION, created_at: float = 1.0) -> SessionRecord:
    return SessionRecord(
        id=session,
        state=SessionState.CREATED,
        agent="codex",
        workspace=HostPath("/home/user/project"),
        command=("codex", "exec"),
        image="codex",
        created_at=created_at,
        exit=ExitStatus(code=None, signal="KILL", out_of_memory=True),
        failure=Failure(
            code="boot.failed", message="m", cause="c", remediation="r", retry=Retry.FIX
        ),
    )


@pytest.fixture(params=["fake", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> SessionStore:
    return MemorySessionStore() if request.param == "fake" else make_disk(tmp_path)


@pytest.fixture
def disk(tmp_path: Path) -> DiskSessionStore:
    return make_disk(tmp_path)


def make_disk(root: Path) -> DiskSessionStore:
    return DiskSessionStore(state=root / "state", runtime=root / "run")


def test_a_record_is_read_as_it_was_written(store: SessionStore) -> None:
    store.create(a_record())
    assert store.list() == (a_record(),)


def test_the_newest_session_comes_first(store: SessionStore) -> None:
    store.create(a_record(created_at=1.0))
    store.create(a_record(SessionId("00000001"), created_at=2.0))
    assert [record.id for record in store.list()] == ["00000001", SESSION]


def test_a_held_session_has_no_second_writer(store: SessionStore) -> None:
    store.create(a_record())
    with store.hold(SESSION):
        assert store.list()[0].held
        with pytest.raises(BboxError) as raised, store.hold(SESSION):
            pass
    assert raised.value.code is ErrorCode.SESSION_BUSY
    assert not store.list()[0].held


@pytest.mark.parametrize("name", ["ffffffff", "../../etc", ""])
def test_an_unknown_session_is_an_error_that_names_it(store: SessionStore, name: str) -> None:
    store.create(a_record())
    with pytest.raises(BboxError) as raised, store.hold(SessionId(name)):
        pass
    assert raised.value.code is ErrorCode.SESSION_UNKNOWN
    assert repr(name) in raised.value.cause


def test_a_removed_session_is_unknown(store: SessionStore) -> None:
    store.create(a_record())
    store.remove(SESSION)
    assert store.list() == ()
    with pytest.raises(BboxError) as raised:
        store.remove(SESSION)
    assert raised.value.code is ErrorCode.SESSION_UNKNOWN


def test_a_damaged_record_hides_only_its_own_session(
    disk: DiskSessionStore, tmp_path: Path
) -> None:
    disk.create(a_record())
    disk.create(a_record(SessionId("00000001")))
    (tmp_path / "state/sessions/00000001/record.json").write_text("{")
    assert [record.id for record in disk.list()] == [SESSION]


def test_a_removed_session_is_gone_with_its_overlay(disk: DiskSessionStore, tmp_path: Path) -> None:
    disk.create(a_record())
    work = tmp_path / "state/sessions" / SESSION / "upper/w/work"
    work.mkdir(parents=True)
    work.chmod(0)
    disk.remove(SESSION)
    assert disk.list() == ()
    assert not (tmp_path / "state/sessions" / SESSION).exists()


def test_events_are_numbered_on_after_a_line_that_was_cut_short(tmp_path: Path) -> None:
    log = EventLog(directory=tmp_path, session=SESSION, clock=SystemClock())
    log.event(EventKind.STATE, {"state": "created"})
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(b'{"seq": 2, "ts"')
    EventLog(directory=tmp_path, session=SESSION, clock=SystemClock()).event(
        EventKind.WARNING, {"text": "x"}
    )
    events = list(read_events(tmp_path, SESSION))
    assert [(event.seq, event.kind) for event in events] == [
        (1, EventKind.STATE),
        (2, EventKind.WARNING),
    ]


@pytest.mark.parametrize("keep", [False, True])
def test_what_a_vm_was_started_from_is_kept_when_asked(tmp_path: Path, keep: bool) -> None:  # noqa: FBT001 (a test's parameter)
    store = DiskSessionStore(state=tmp_path / "state", runtime=tmp_path / "run", keep_runtime=keep)
    store.create(a_record())
    with store.hold(SESSION) as directories:
        Path(directories.runtime, "initramfs").touch()
    assert Path(directories.runtime, "initramfs").exists() is keep
