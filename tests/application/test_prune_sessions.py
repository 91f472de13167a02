# SPDX-License-Identifier: Apache-2.0
"""Old sessions go, those that wait for review stay."""

import pytest

from bbox_server.application.prune_sessions import DAY_S, PruneSessions
from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from tests.fakes.housekeeping import MemoryStaleFiles
from tests.fakes.image import memory_cache
from tests.fakes.session import FakeClock, MemorySessionStore
from tests.fakes.snapshot import MemorySnapshots

SESSION = SessionId("00000001")


def make_store(state: SessionState, age_days: float) -> MemorySessionStore:
    store = MemorySessionStore()
    record = SessionRecord(
        id=SESSION,
        state=state,
        agent="agent",
        workspace=HostPath("/w"),
        command=(),
        image="",
        created_at=FakeClock().now() - age_days * DAY_S,
    )
    store.create(record)
    return store


def prune(
    store: MemorySessionStore,
    keep_days: int | None = 14,
    stale: MemoryStaleFiles | None = None,
) -> PruneSessions:
    snapshots = MemorySnapshots(workspaces={})
    return PruneSessions(
        sessions=store,
        snapshots=snapshots,
        stale=stale or MemoryStaleFiles(),
        clock=FakeClock(),
        cache=memory_cache(),
        keep_days=keep_days,
    )


@pytest.mark.parametrize("state", [SessionState.DONE, SessionState.FAILED])
async def test_a_session_that_ended_long_ago_is_removed(state: SessionState) -> None:
    store = make_store(state, age_days=15)
    assert await prune(store)() == 1
    assert store.records == {}


@pytest.mark.parametrize("state", [SessionState.REVIEWING, SessionState.RUNNING])
async def test_what_waits_for_review_stays_for_ever(state: SessionState) -> None:
    store = make_store(state, age_days=400)
    assert await prune(store)() == 0
    assert SESSION in store.records


async def test_a_session_that_ended_lately_stays() -> None:
    store = make_store(SessionState.DONE, age_days=13)
    assert await prune(store)() == 0


async def test_a_session_that_somebody_holds_stays() -> None:
    store = make_store(SessionState.DONE, age_days=15)
    with store.hold(SESSION):
        assert await prune(store)() == 0


async def test_all_stay_when_data_is_to_be_kept() -> None:
    store = make_store(SessionState.DONE, age_days=15)
    assert await prune(store, keep_days=None)() == 0


async def test_leftovers_go_with_them_unless_data_is_to_be_kept() -> None:
    store = make_store(SessionState.DONE, age_days=1)
    stale = MemoryStaleFiles(runtime={SESSION})
    await prune(store, keep_days=None, stale=stale)()
    assert stale.runtime == {SESSION}
    await prune(store, stale=stale)()
    assert stale.runtime == set()
