# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.checksum import checksum, word_sum
from bbox_server.infra.egress.datagram import build_datagram, parse_datagram
from bbox_server.infra.egress.icmp import echo_reply, prohibited
from bbox_server.infra.egress.packet import (
    ETHERTYPE_ARP,
    GATEWAY_MAC,
    PROTOCOL_UDP,
    arp_reply,
    build_packet,
    parse_frame,
    parse_packet,
)
from tests.infra.egress import guest_stack as guest

REMOTE = bytes((198, 18, 0, 1))


def arp_request(target: bytes = guest.GATEWAY, sender: bytes = guest.GUEST_MAC) -> bytes:
    head = bytes.fromhex("0001080006040001")
    return head + sender + guest.GUEST + bytes(6) + target


@given(st.binary(max_size=5000))
def test_the_sum_of_words_is_that_of_rfc_1071(data: bytes) -> None:
    assert word_sum(data) == guest.word_sum(data)


@given(st.binary(max_size=100))
def test_a_checksum_makes_the_sum_nothing(data: bytes) -> None:
    even = data + bytes(len(data) % 2)
    whole = even + checksum(word_sum(even)).to_bytes(2, "big")
    assert word_sum(whole) == 0


@given(st.binary(max_size=200))
def test_no_frame_breaks_the_parsers(data: bytes) -> None:
    view = memoryview(data)
    parse_frame(view)
    parse_packet(view)
    parse_datagram(view)
    arp_reply(guest.GUEST_MAC, view)
    echo_reply(view)


@given(st.binary(max_size=1000))
def test_a_packet_survives_the_way_to_the_guest(body: bytes) -> None:
    packet = build_packet(REMOTE, PROTOCOL_UDP, body)
    parsed = parse_packet(memoryview(packet + b"padding"))
    assert parsed is not None
    assert (parsed.source, parsed.destination) == (REMOTE, guest.GUEST)
    assert bytes(parsed.body) == body
    assert guest.is_checksummed(packet)


@given(st.binary(max_size=500), st.integers(0, 65535), st.integers(0, 65535))
def test_a_datagram_survives(payload: bytes, source: int, destination: int) -> None:
    parsed = parse_datagram(memoryview(build_datagram(source, destination, payload)))
    assert parsed is not None
    assert (*parsed[:2], bytes(parsed.payload)) == (source, destination, payload)


@pytest.mark.parametrize(
    "packet",
    [
        guest.ipv4(REMOTE, 6, b"x" * 20, options=b"\x83\x07\x04\xc6\x33\x64\x0c\x00"),
        guest.ipv4(REMOTE, 6, b"x" * 8, fragment=0x2000),
        guest.ipv4(REMOTE, 6, b"x" * 8, fragment=1),
        b"\x60" + bytes(60),
        b"\x44" + guest.ipv4(REMOTE, 6, b"")[1:],
        guest.ipv4(REMOTE, 6, b"x" * 20)[:30],
        guest.ipv4(REMOTE, 6, b"")[:2] + b"\x00\x13" + guest.ipv4(REMOTE, 6, b"")[4:],
    ],
    ids=["source route", "first fragment", "later fragment", "IPv6", "short header", "cut", "tiny"],
)
def test_options_fragments_and_wrong_lengths_do_not_exist(packet: bytes) -> None:
    assert parse_packet(memoryview(packet)) is None


def test_the_gateway_s_address_is_answered() -> None:
    reply = arp_reply(guest.GUEST_MAC, memoryview(arp_request()))
    assert reply is not None
    parsed = parse_frame(memoryview(reply))
    assert parsed is not None
    assert (parsed.source_mac, parsed.ethertype) == (GATEWAY_MAC, ETHERTYPE_ARP)
    assert bytes(parsed.body[8:18]) == GATEWAY_MAC + guest.GATEWAY


@pytest.mark.parametrize(
    "body",
    [
        arp_request(target=guest.GUEST),
        arp_request(sender=b"\x02" * 6),
        bytes.fromhex("0001080006040002") + arp_request()[8:],
        arp_request()[:20],
    ],
    ids=["another address", "another sender", "an answer", "cut"],
)
def test_other_arp_is_not_answered(body: bytes) -> None:
    assert arp_reply(guest.GUEST_MAC, memoryview(body)) is None


def test_a_ping_comes_back_with_its_data() -> None:
    request = b"\x08\x00\x00\x00\x12\x34\x00\x01payload"
    reply = echo_reply(memoryview(request))
    assert reply is not None
    assert reply[0] == 0
    assert reply[4:] == request[4:]
    assert guest.word_sum(reply) == 0


def test_what_is_prohibited_quotes_the_packet() -> None:
    packet = guest.ipv4(REMOTE, 17, guest.udp((1000, 443), b"quic"))
    message = prohibited(memoryview(packet))
    assert message[:2] == b"\x03\x0d"
    assert message[8:] == packet[:28]
    assert guest.word_sum(message) == 0
