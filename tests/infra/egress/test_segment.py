# SPDX-License-Identifier: Apache-2.0
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.segment import (
    ACK,
    FIN,
    MASK,
    MIN_MSS,
    PSH,
    RST,
    SYN,
    SegmentWriter,
    after,
    parse_segment,
    parse_syn_options,
    reset_for,
    syn_options,
)
from tests.infra.egress import guest_stack as guest

REMOTE = bytes((198, 18, 0, 1))
NUMBER = st.integers(0, MASK)
SENSIBLE = {SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK}


@given(st.binary(max_size=120))
def test_no_segment_breaks_the_parser(body: bytes) -> None:
    segment = parse_segment(memoryview(body))
    if segment is not None:
        parse_syn_options(segment.options, 1460)
        assert len(segment.options) + len(segment.payload) + 20 == len(body)


@pytest.mark.parametrize("flags", range(64))
def test_only_flags_that_a_tcp_sends_exist(flags: int) -> None:
    segment = parse_segment(memoryview(guest.tcp((1, 2), (3, 4), flags)))
    assert (segment is not None) is (flags & (FIN | SYN | RST | ACK) in SENSIBLE)


@pytest.mark.parametrize("offset", [0x00, 0x40, 0x60, 0xF0])
def test_a_header_that_is_not_there_is_refused(offset: int) -> None:
    body = bytearray(guest.tcp((1, 2), (3, 4), ACK))
    body[12] = offset
    assert parse_segment(memoryview(bytes(body))) is None


@given(st.binary(max_size=40))
def test_no_option_breaks_the_parser(options: bytes) -> None:
    parsed = parse_syn_options(memoryview(options), 65_480)
    assert MIN_MSS <= parsed.mss <= 65_480
    assert parsed.shift is None or 0 <= parsed.shift <= 14


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (b"", (MIN_MSS, None)),
        (struct.pack("!BBH", 2, 4, 1460), (1460, None)),
        (struct.pack("!BBHBBBB", 2, 4, 1460, 1, 3, 3, 7), (1460, 7)),
        (struct.pack("!BBH", 2, 4, 10), (MIN_MSS, None)),
        (struct.pack("!BBH", 2, 4, 65_535), (9000, None)),
        (bytes((3, 3, 200)), (MIN_MSS, 14)),
        (bytes((8, 0, 2, 4, 5, 0xB4)), (MIN_MSS, None)),
        (bytes((0, 2, 4, 5, 0xB4)), (MIN_MSS, None)),
        (bytes((2, 4, 5)), (MIN_MSS, None)),
        (bytes((2,)), (MIN_MSS, None)),
    ],
)
def test_options_of_a_syn(options: bytes, expected: tuple[int, int | None]) -> None:
    assert parse_syn_options(memoryview(options), 9000) == expected


@given(NUMBER, NUMBER, st.integers(0, 65535), st.binary(max_size=300))
def test_a_segment_survives_the_way_to_the_guest(
    sequence: int, acknowledgement: int, window: int, payload: bytes
) -> None:
    writer = SegmentWriter(guest.GUEST_MAC, REMOTE, 443, 40_000)
    header = writer.header(sequence, acknowledgement, ACK | PSH, window, payload)
    packet = header[14:] + payload
    assert guest.is_checksummed(packet)
    segment = parse_segment(memoryview(packet[20:]))
    assert segment is not None
    assert segment[:6] == (443, 40_000, sequence, acknowledgement, ACK | PSH, window)
    assert bytes(segment.payload) == payload


def test_our_options_are_understood_and_checksummed() -> None:
    options = syn_options(65_480, scaled=True)
    writer = SegmentWriter(guest.GUEST_MAC, REMOTE, 443, 40_000)
    header = writer.header(1, 2, SYN | ACK, 65_535, options=options)
    assert guest.is_checksummed(header[14:])
    assert parse_syn_options(memoryview(options), 65_480) == (65_480, 7)
    assert parse_syn_options(memoryview(syn_options(1460, scaled=False)), 9000).shift is None


@given(NUMBER, st.integers(-(2**31) + 1, 2**31 - 1))
def test_distance_holds_across_the_end_of_numbers(start: int, distance: int) -> None:
    assert after((start + distance) & MASK, start) == distance


def test_a_reset_is_never_answered() -> None:
    segment = parse_segment(memoryview(guest.tcp((1, 2), (3, 4), RST)))
    assert segment is not None
    assert reset_for(guest.GUEST_MAC, REMOTE, segment) is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(SYN, (0, 1001, RST | ACK)), (ACK, (77, 0, RST)), (FIN | ACK, (77, 0, RST))],
)
def test_a_reset_answers_what_nobody_waits_for(flags: int, expected: tuple[int, int, int]) -> None:
    segment = parse_segment(memoryview(guest.tcp((1, 2), (1000, 77), flags)))
    assert segment is not None
    reset = reset_for(guest.GUEST_MAC, REMOTE, segment)
    assert reset is not None
    answer = parse_segment(memoryview(reset[34:]))
    assert answer is not None
    assert answer[2:5] == expected
