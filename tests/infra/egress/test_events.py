# SPDX-License-Identifier: Apache-2.0
import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.infra.egress.bucket import Budget, TokenBucket
from bbox_server.infra.egress.events import Clocks, EventLog
from bbox_server.infra.egress.names import NameTable


class Scene:
    """An event log with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.told: list[EgressEvent] = []
        clocks = Clocks(wall=lambda: 1_000_000 + self.now, monotonic=lambda: self.now)
        self.log = EventLog(self.told.append, clocks)

    def block(self, host: str, reason: BlockReason = BlockReason.HOST_NOT_IN_PROFILE) -> None:
        event = EgressEvent(kind=EgressEventKind.BLOCKED, host=host, port=443, reason=reason)
        self.log.repeated(event)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_is_told_at_once(scene: Scene) -> None:
    scene.block("a.com")
    (event,) = scene.told
    assert (event.host, event.count, event.id) == ("a.com", 1, 1)
    assert event.at == event.first_at == 1_000_100


def test_repeats_are_told_after_five_seconds_with_their_count(scene: Scene) -> None:
    for _ in range(4):
        scene.block("a.com")
    scene.now += 4.9
    scene.log.tick()
    assert len(scene.told) == 1
    scene.now += 0.2
    scene.log.tick()
    assert scene.told[-1].count == 3
    assert scene.told[-1].first_at == 1_000_100


def test_other_names_and_reasons_are_told_by_themselves(scene: Scene) -> None:
    scene.block("a.com")
    scene.block("b.com")
    scene.block("a.com", BlockReason.SNI_MISMATCH)
    assert len(scene.told) == 3


def test_names_beyond_256_are_told_as_one(scene: Scene) -> None:
    for number in range(2000):
        scene.block(f"{number}.com")
    scene.log.flush()
    assert len(scene.told) == 258
    assert scene.told[-1].kind is EgressEventKind.FLOOD
    assert scene.told[-2].count + scene.told[-1].count == 2000 - 256


def test_a_guest_that_goes_leaves_nothing_untold(scene: Scene) -> None:
    scene.block("a.com")
    scene.block("a.com")
    scene.log.flush()
    assert [event.count for event in scene.told] == [1, 1]


def test_connections_beyond_the_rate_show_as_a_gap(scene: Scene) -> None:
    for _ in range(1000):
        scene.log.single(EgressEvent(kind=EgressEventKind.OPEN, host="a.com"))
    assert len(scene.told) == 500
    scene.now += 1
    scene.log.single(EgressEvent(kind=EgressEventKind.OPEN, host="a.com"))
    assert scene.told[-1].id == 1001


def test_a_bucket_fills_up_again_and_no_more_than_full() -> None:
    bucket = TokenBucket(rate=10, burst=3, now=0)
    assert [bucket.take(0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(0.1), bucket.take(0.1)] == [True, False]
    assert [bucket.take(100) for _ in range(4)] == [True, True, True, False]


def test_a_budget_knows_what_is_left() -> None:
    budget = Budget(100)
    budget.hold(70)
    assert budget.left == 30
    budget.hold(60)
    assert budget.left == 0
    budget.hold(-130)
    assert budget.left == 100


def test_a_name_keeps_its_address_and_an_address_its_name() -> None:
    names = NameTable()
    first = names.address("a.com", known=False)
    second = names.address("b.com", known=True)
    assert first is not None
    assert first != second
    assert names.address("a.com", known=True) == first
    assert names.name(first) == "a.com"
    assert names.name(b"\xc6\x12\xff\xff") is None


def test_unknown_names_leave_room_for_the_known() -> None:
    names = NameTable()
    given = [names.address(f"{number}.com", known=False) for number in range(20_000)]
    assert given[-1] is None
    assert names.address("known.com", known=True) is not None


def test_the_table_ends_before_its_network_does() -> None:
    names = NameTable()
    given = [names.address(f"{number}.com", known=True) for number in range(40_000)]
    assert given[-1] is None
    assert len({address for address in given if address}) == 32_768


def test_the_first_connection_to_a_place_is_always_told(scene: Scene) -> None:
    for number in range(3000):
        scene.log.single(EgressEvent(kind=EgressEventKind.OPEN, host=f"{number % 900}.com"))
    assert {event.host for event in scene.told} == {f"{number}.com" for number in range(900)}


def test_places_beyond_1024_are_told_when_there_is_time(scene: Scene) -> None:
    for number in range(5000):
        scene.log.single(EgressEvent(kind=EgressEventKind.OPEN, host=f"{number}.com"))
    assert 1024 <= len(scene.told) <= 1024 + 500
