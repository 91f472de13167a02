# SPDX-License-Identifier: Apache-2.0
"""One connection's state machine, with a clock in hand."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import override

from bbox_server.domain.egress.event import BlockReason, CloseReason
from bbox_server.infra.egress.bucket import Budget
from bbox_server.infra.egress.dial import Target
from bbox_server.infra.egress.flow import Flow, FlowState
from bbox_server.infra.egress.flow_context import (
    FlowContext,
    FlowObserver,
    FlowSpec,
    FlowStatistics,
    Paced,
    Wire,
)
from bbox_server.infra.egress.namecheck import Mismatch, NameCheck
from bbox_server.infra.egress.segment import (
    ACK,
    FIN,
    MASK,
    PSH,
    RST,
    SYN,
    Segment,
    parse_segment,
    syn_options,
)
from tests.infra.egress import guest_stack as stack

REMOTE = bytes((198, 18, 0, 1))
WINDOW = 1 << 20


def segment(body: bytes) -> Segment:
    parsed = parse_segment(memoryview(body))
    assert parsed is not None
    return parsed


@dataclass
class Recorder(Wire, FlowObserver):
    """What the flow says to the guest and to its observer."""

    sent: list[Segment] = field(default_factory=list)
    due: list[Paced] = field(default_factory=list)
    reasons: list[BlockReason | CloseReason] = field(default_factory=list)
    room: int = 1 << 20
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    waits: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    def send(self, header: bytes, payload: bytes = b"") -> None:
        packet = header[14:] + payload
        assert stack.is_checksummed(packet)
        self.sent.append(segment(packet[20:]))
        self.room -= len(payload)
        self.changed.set()

    @override
    def data_room(self) -> int:
        return self.room

    @override
    def acknowledge_later(self, flow: Paced) -> None:
        self.due.append(flow)

    @override
    def wait_for_room(self, flow: Paced) -> None:
        self.waits.set()

    @override
    def opened(self, flow: FlowSpec, address: str) -> None:
        pass

    @override
    def blocked(self, flow: FlowSpec, mismatch: Mismatch) -> None:
        self.reasons.append(mismatch.reason)

    @override
    def closed(self, flow: FlowSpec, reason: CloseReason) -> None:
        self.reasons.append(reason)


class Scene:
    """A guest that writes its segments by hand, and both ends of the upstream socket."""

    def __init__(self, *, check: NameCheck | None = None, sequence: int = 1000) -> None:
        self.wire = Recorder()
        self.budget = Budget(1 << 24)
        context = FlowContext(
            wire=self.wire,
            observer=self.wire,
            budget=self.budget,
            guest_mac=stack.GUEST_MAC,
            largest_mss=65_480,
        )
        spec = FlowSpec(
            number=1,
            key=(40_000, REMOTE, 443),
            target=Target(name="a.test", port=443),
            statistics=FlowStatistics(began_at=0.0),
            check=check,
        )
        options = syn_options(1460, scaled=True)
        body = stack.tcp((40_000, 443), (sequence, 0), SYN, options=options)
        self.flow = Flow(segment(body), spec, context)
        self.next = sequence + 1
        ours, self.upstream = socket.socketpair()
        for end in (ours, self.upstream):
            end.settimeout(0)
        self.flow.connected(ours)

    @property
    def last(self) -> Segment:
        return self.wire.sent[-1]

    def say(  # noqa: PLR0913 - what a segment has
        self,
        flags: int,
        payload: bytes = b"",
        *,
        shift: int = 0,
        window: int = WINDOW >> 7,
        now: float = 0.0,
        acknowledgement: int | None = None,
    ) -> None:
        """A segment of the guest's: acknowledges everything, unless told otherwise."""
        self.wire.changed.clear()
        number = self.acknowledged if acknowledgement is None else acknowledgement
        numbers = (self.next + shift, number)
        body = stack.tcp((40_000, 443), numbers, flags, payload=payload, window=window)
        self.flow.receive(segment(body), now)
        for flow in self.wire.due:
            flow.acknowledge()
        self.wire.due.clear()

    @property
    def acknowledged(self) -> int:
        highest = self.last
        length = len(highest.payload) + bool(highest.flags & (SYN | FIN))
        return (highest.sequence + length) & MASK

    def open(self, *, window: int = WINDOW >> 7) -> "Scene":
        self.say(ACK, window=window)
        assert self.flow.state is FlowState.OPEN
        return self

    async def from_upstream(self, data: bytes) -> None:
        """Data, or the end, that the guest has been sent on return."""
        self.wire.changed.clear()
        if data:
            self.upstream.send(data)
        else:
            self.upstream.shutdown(socket.SHUT_WR)
        await self.wire.changed.wait()

    def at_upstream(self) -> bytes:
        try:
            return self.upstream.recv(1 << 20)
        except BlockingIOError:
            return b"nothing"

    def close(self) -> None:
        self.flow.abort(CloseReason.IDLE)
        self.upstream.close()


@contextmanager
def scene(*, check: NameCheck | None = None, sequence: int = 1000) -> Iterator[Scene]:
    made = Scene(check=check, sequence=sequence)
    try:
        yield made
    finally:
        made.close()


async def test_data_is_passed_on_and_acknowledged() -> None:
    with scene() as at:
        at.open().say(ACK | PSH, b"hello")
        assert at.at_upstream() == b"hello"
        assert at.last.flags == ACK
        assert at.last.acknowledgement == at.next + 5


async def test_repeated_and_overlapping_data_is_passed_on_once() -> None:
    with scene() as at:
        at.open().say(ACK, b"hello")
        at.say(ACK, b"hello")
        at.say(ACK, b"lo world", shift=3)
        assert at.at_upstream() == b"hello world"


async def test_data_after_a_gap_waits_for_its_repeat() -> None:
    with scene() as at:
        at.open().say(ACK, b"world", shift=6)
        assert at.at_upstream() == b"nothing"
        assert at.last.acknowledgement == at.next


async def test_numbers_wrap_around() -> None:
    with scene(sequence=MASK - 3) as at:
        at.next &= MASK
        at.open().say(ACK, b"0123456789")
        assert at.at_upstream() == b"0123456789"
        assert at.last.acknowledgement == (at.next + 10) & MASK


async def test_a_repeated_syn_is_answered_again() -> None:
    with scene() as at:
        first = at.last
        body = stack.tcp((40_000, 443), (at.next - 1, 0), SYN)
        at.flow.receive(segment(body), 0.0)
        assert at.last[:5] == first[:5]
        assert at.flow.state is FlowState.OPENING


async def test_an_acknowledgement_of_nothing_sent_opens_nothing() -> None:
    with scene() as at:
        at.say(ACK, acknowledgement=at.acknowledged + 1)
        assert at.flow.state is FlowState.OPENING


async def test_a_reset_must_have_the_next_number() -> None:
    with scene() as at:
        at.open().say(RST, shift=1)
        assert at.flow.state is FlowState.OPEN
        assert at.last.flags == ACK
        at.say(RST, shift=-1)
        assert at.flow.state is FlowState.OPEN
        at.say(RST)
        assert at.wire.reasons == [CloseReason.GUEST_RST]


async def test_a_syn_in_an_open_connection_is_only_asked_about() -> None:
    with scene() as at:
        at.open().say(SYN)
        assert (at.flow.state, at.last.flags) == (FlowState.OPEN, ACK)


async def test_a_probe_for_a_sign_of_life_gets_one() -> None:
    with scene() as at:
        at.open()
        sent = len(at.wire.sent)
        at.say(ACK, shift=-1)
        assert len(at.wire.sent) == sent + 1
        assert at.last.acknowledgement == at.next


async def test_an_acknowledgement_of_the_future_is_not_believed() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"data")
        at.say(ACK, b"guest", acknowledgement=at.acknowledged + 1)
        assert at.at_upstream() == b"nothing"


async def test_what_is_not_acknowledged_is_sent_again() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"data")
        first = at.last
        at.flow.tick(10.0)
        assert at.last is first
        at.flow.tick(11.1)
        assert at.last is not first
        assert (at.last.sequence, bytes(at.last.payload)) == (first.sequence, b"data")


async def test_three_duplicate_acknowledgements_bring_the_lost_segment() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"data")
        lost = at.last
        for _ in range(3):
            at.say(ACK, acknowledgement=lost.sequence)
        assert at.last is not lost
        assert at.last[2:3] == lost[2:3]


async def test_a_silent_guest_is_given_up() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"data")
        for second in range(200):
            at.flow.tick(float(second))
        assert at.wire.reasons == [CloseReason.IDLE]
        assert at.budget.left == 1 << 24


async def test_a_closed_window_stops_data_and_is_probed() -> None:
    with scene() as at:
        at.open(window=0)
        at.upstream.send(b"data")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not at.last.payload
        expected = at.last.sequence + 1
        at.flow.tick(6.0)
        assert at.last.sequence == expected - 1 & MASK
        at.say(ACK, acknowledgement=at.last.sequence + 1)
        await at.wire.changed.wait()
        assert bytes(at.last.payload) == b"data"


async def test_no_more_is_sent_than_the_window_takes() -> None:
    with scene() as at:
        at.open(window=1)
        await at.from_upstream(b"x" * 1000)
        assert sum(len(sent.payload) for sent in at.wire.sent) == 128


async def test_no_more_is_sent_than_the_wire_takes() -> None:
    with scene() as at:
        at.open()
        at.wire.room = 100
        await at.from_upstream(b"x" * 1000)
        await at.wire.waits.wait()
        assert len(at.last.payload) == 100


async def test_the_window_shrinks_while_upstream_does_not_read() -> None:
    with scene() as at:
        at.open()
        for _ in range(2000):
            at.say(ACK, b"x" * 1400)
            at.next = at.last.acknowledgement
        assert at.last.window == 0
        assert (1 << 24) - at.budget.left < 3 << 20


async def test_memory_of_all_connections_together_is_bounded() -> None:
    with scene() as at:
        at.open()
        at.budget.hold(at.budget.left)
        at.say(ACK, b"data")
        assert at.at_upstream() == b"nothing"
        assert at.last.acknowledgement == at.next
        assert at.last.window <= 64 << 3


async def test_single_bytes_count_for_what_they_cost() -> None:
    with scene() as at:
        at.open()
        for _ in range(50):
            await at.from_upstream(b"x")
        assert (1 << 24) - at.budget.left > 50 * 100


async def test_both_ends_make_the_end() -> None:
    with scene() as at:
        at.open().say(FIN | ACK, b"bye")
        assert at.at_upstream() == b"bye"
        assert at.at_upstream() == b""
        at.next += 4
        await at.from_upstream(b"")
        assert at.last.flags == FIN | ACK
        at.say(ACK)
        assert at.wire.reasons == [CloseReason.DONE]


async def test_a_fin_ahead_of_missing_data_waits() -> None:
    with scene() as at:
        at.open().say(FIN | ACK, b"end", shift=5)
        at.say(ACK, b"first")
        assert at.at_upstream() == b"first"
        assert at.at_upstream() == b"nothing"


async def test_a_lost_fin_is_sent_again() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"")
        fin = at.last
        at.flow.tick(1.0)
        at.flow.tick(3.0)
        assert at.last is not fin
        assert at.last[2:5] == fin[2:5]


async def test_a_guest_that_never_finishes_is_ended_after_the_host_did() -> None:
    with scene() as at:
        at.open()
        await at.from_upstream(b"")
        at.say(ACK, now=1.0)
        at.flow.tick(120.0)
        assert at.wire.reasons == []
        at.flow.tick(122.0)
        assert at.wire.reasons == [CloseReason.IDLE]


async def test_an_open_connection_may_be_silent_for_two_hours() -> None:
    with scene() as at:
        at.open()
        at.flow.tick(7199.0)
        assert at.wire.reasons == []
        at.flow.tick(7201.0)
        assert at.wire.reasons == [CloseReason.IDLE]


async def test_a_half_open_connection_ends_after_ten_seconds() -> None:
    with scene() as at:
        at.flow.tick(9.0)
        at.flow.tick(11.0)
        assert at.wire.reasons == [CloseReason.IDLE]
        assert at.last.flags == RST | ACK


@pytest.mark.parametrize(
    ("port", "reason"),
    [(443, BlockReason.NO_CLIENT_HELLO), (80, BlockReason.HTTP_HOST_MISMATCH)],
)
async def test_a_slow_hello_is_ended_after_ten_seconds(port: int, reason: BlockReason) -> None:
    with scene(check=NameCheck("a.test", port)) as at:
        at.open().say(ACK, b"\x16" if port == 443 else b"GET ", now=9.0)
        at.flow.tick(10.1)
        assert at.wire.reasons == [reason, CloseReason.PEER_RST]
        assert at.at_upstream() == b""


async def test_a_hello_that_ends_early_is_blocked() -> None:
    with scene(check=NameCheck("a.test", 443)) as at:
        at.open().say(ACK | FIN, b"\x16\x03")
        assert at.wire.reasons == [BlockReason.NO_CLIENT_HELLO, CloseReason.PEER_RST]


async def test_a_connection_without_a_byte_just_ends() -> None:
    with scene(check=NameCheck("a.test", 443)) as at:
        at.open().say(ACK | FIN)
        assert at.wire.reasons == [CloseReason.DONE]


async def test_a_dial_that_comes_too_late_is_closed() -> None:
    with scene() as at:
        at.open().say(RST)
        late, other = socket.socketpair()
        with other:
            at.flow.connected(late)
            assert late.fileno() == -1


SEGMENTS = st.lists(
    st.tuples(
        st.integers(0, 63),
        st.integers(-3, 3) | st.integers(0, MASK),
        st.integers(-3, 3) | st.integers(0, MASK),
        st.integers(0, 65_535),
        st.binary(max_size=30),
    ),
    max_size=30,
)


@given(SEGMENTS)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_segments_break_a_connection_or_leak_memory(
    segments: list[tuple[int, int, int, int, bytes]],
) -> None:
    async def run() -> None:
        with scene() as at:
            at.open()
            at.upstream.send(b"x" * 5000)
            for index, (flags, shift, ack_shift, window, payload) in enumerate(segments):
                acknowledgement = (at.acknowledged + ack_shift) & MASK
                numbers = ((at.next + shift) & MASK, acknowledgement)
                body = stack.tcp((1, 2), numbers, flags, payload=payload, window=window)
                parsed = parse_segment(memoryview(body))
                if parsed is not None:
                    at.flow.receive(parsed, float(index))
                at.flow.tick(float(index))
                await asyncio.sleep(0)
            at.flow.abort(CloseReason.IDLE)
            assert at.budget.left == 1 << 24

    asyncio.run(run())
