# SPDX-License-Identifier: Apache-2.0
"""A review and a flush tell how long they took, and bring the session's trace up to date."""

from dataclasses import dataclass, field

import pytest

from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.open_review import OpenReview, ReviewParts
from bbox_server.application.undo_flush import RecoverFlush
from bbox_server.domain.error import BboxError
from bbox_server.domain.plan import PlanHash
from bbox_server.domain.session import EventKind, SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from tests.application.review_ground import ReviewGround, ground
from tests.fakes.credential import RecordingObserver
from tests.fakes.session import FakeClock, MemorySessionStore
from tests.fakes.snapshot import MemorySnapshots
from tests.fakes.trace import MemoryTraceFiles

SESSION = SessionId("00000001")


@dataclass
class House:
    ground: ReviewGround = field(default_factory=lambda: ground({"a": b"1"}, {"a": b"2"}))
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    store: MemorySessionStore = field(default_factory=MemorySessionStore)
    clock: FakeClock = field(default_factory=FakeClock)
    files: MemoryTraceFiles = field(default_factory=MemoryTraceFiles)

    def __post_init__(self) -> None:
        self.record = SessionRecord(
            id=SESSION,
            state=SessionState.REVIEWING,
            agent="agent",
            workspace=HostPath("/w"),
            command=(),
            image="",
            created_at=1.0,
            generation=HostPath("/g1"),
        )
        self.store.create(self.record)

    @property
    def open(self) -> OpenReview:
        trace = ExportTrace(events=lambda _: (), files=self.files)
        parts = ReviewParts(
            changes=self.ground.review,
            flush=self.ground.flush,
            undo=self.ground.undo,
            recover=RecoverFlush(flusher=self.ground.flush.flusher),
            observer=self.observer,
            retrace=lambda: trace.again(self.record),
        )
        return OpenReview(
            sessions=self.store,
            snapshots=MemorySnapshots(workspaces={}),
            parts=lambda _record, _directories: parts,
            clock=self.clock,
        )

    @property
    def told(self) -> list[tuple[object, object]]:
        progress = [fields for kind, fields in self.observer.events if kind is EventKind.PROGRESS]
        return [(fields["phase"], fields["step"]) for fields in progress]


async def test_a_review_that_decided_something_is_a_span_from_its_opening() -> None:
    house = House()
    began = house.clock.now()
    async with house.open(SESSION):
        house.clock.seconds += 60
        await house.ground.accept("a")
    assert house.told == [("bbox.Review", "finished")]
    assert house.observer.events[-1][1]["began"] == began


async def test_who_only_looks_reviews_nothing() -> None:
    house = House()
    async with house.open(SESSION) as review:
        await review.changes.list()
    assert house.told == []


async def test_a_flush_is_a_span_within_it() -> None:
    house = House()
    async with house.open(SESSION) as review:
        await house.ground.accept("a")
        await review.flush((await review.plan()).hash)
    assert house.told == [
        ("bbox.Flush", "started"),
        ("bbox.Flush", "finished"),
        ("bbox.Review", "finished"),
    ]


async def test_a_flush_that_is_refused_is_a_failed_span() -> None:
    house = House()
    async with house.open(SESSION) as review:
        await house.ground.accept("a")
        with pytest.raises(BboxError):
            await review.flush(PlanHash("0" * 64))
    assert house.told[:2] == [("bbox.Flush", "started"), ("bbox.Flush", "failed")]


@pytest.mark.parametrize("traced", [True, False])
async def test_a_trace_is_brought_up_to_date_where_there_is_one(*, traced: bool) -> None:
    house = House()
    if traced:
        house.files.write(house.record, ())
    before = house.files.writes
    async with house.open(SESSION) as review:
        await house.ground.accept("a")
        await review.flush((await review.plan()).hash)
    assert (house.files.writes > before) is traced
