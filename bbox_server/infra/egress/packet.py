# SPDX-License-Identifier: Apache-2.0
"""Ethernet and IPv4: what of it exists for us."""

import ipaddress
import struct
from typing import Final, NamedTuple

from bbox_server.domain.egress.relay import GATEWAY_ADDRESS, GUEST_ADDRESS
from bbox_server.infra.egress.checksum import checksum, word_sum

GATEWAY_MAC: Final = bytes.fromhex("5a94efe40cee")
GATEWAY: Final = bytes(int(part) for part in GATEWAY_ADDRESS.split("."))
GUEST: Final = bytes(int(part) for part in GUEST_ADDRESS.split("."))

ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_IPV4: Final = 0x0800
PROTOCOL_ICMP: Final = 1
PROTOCOL_TCP: Final = 6
PROTOCOL_UDP: Final = 17

ETHERNET_BYTES: Final = 14
IPV4_BYTES: Final = 20

_ETHERNET: Final = struct.Struct("!6s6sH")
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
_DO_NOT_FRAGMENT: Final = 0x4000
_FRAGMENT_BITS: Final = 0x3FFF
_TTL: Final = 64
_VERSION_AND_LENGTH: Final = 0x45


class Frame(NamedTuple):
    """An Ethernet frame."""

    source_mac: bytes
    ethertype: int
    body: memoryview


class Packet(NamedTuple):
    """An IPv4 packet without options, not a fragment."""

    source: bytes
    destination: bytes
    protocol: int
    body: memoryview


def address_text(address: bytes) -> str:
    """The dotted form of an address."""
    return str(ipaddress.IPv4Address(address))


def parse_frame(data: memoryview) -> Frame | None:
    """Take a frame apart; None where it is too short."""
    if len(data) < ETHERNET_BYTES:
        return None
    _, source, ethertype = _ETHERNET.unpack_from(data)
    return Frame(source, ethertype, data[ETHERNET_BYTES:])


def parse_packet(data: memoryview) -> Packet | None:
    """Take a packet apart. Options and fragments don't exist here: they only serve evasion."""
    if len(data) < IPV4_BYTES:
        return None
    head, _, length, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(data)
    if head != _VERSION_AND_LENGTH or fragment & _FRAGMENT_BITS:
        return None
    if not IPV4_BYTES <= length <= len(data):
        return None
    return Packet(source, destination, protocol, data[IPV4_BYTES:length])


def build_frame(guest_mac: bytes, ethertype: int, body: bytes) -> bytes:
    """A frame from the gateway to the guest."""
    return _ETHERNET.pack(guest_mac, GATEWAY_MAC, ethertype) + body


def build_packet(source: bytes, protocol: int, body: bytes) -> bytes:
    """A packet to the guest."""
    length = IPV4_BYTES + len(body)
    fields = (_VERSION_AND_LENGTH, 0, length, 0, _DO_NOT_FRAGMENT, _TTL, protocol)
    total = word_sum(_IPV4.pack(*fields, 0, source, GUEST))
    return _IPV4.pack(*fields, checksum(total), source, GUEST) + body


def arp_request() -> bytes:
    """A frame that asks the guest for its MAC (RFC 826)."""
    kind = (1, ETHERTYPE_IPV4, 6, 4, 1)
    question = _ARP.pack(*kind, GATEWAY_MAC, GATEWAY, bytes(6), GUEST)
    return build_frame(b"\xff" * 6, ETHERTYPE_ARP, question)


def arp_reply(guest_mac: bytes, body: memoryview) -> bytes | None:
    """The answer to a question for the gateway's address (RFC 826); all else has none."""
    if len(body) < _ARP.size:
        return None
    *kind, sender_mac, sender, _, target = _ARP.unpack_from(body)
    asks = tuple(kind) == (1, ETHERTYPE_IPV4, 6, 4, 1)
    if not asks or target != GATEWAY or sender_mac != guest_mac:
        return None
    answer = (1, ETHERTYPE_IPV4, 6, 4, 2, GATEWAY_MAC, GATEWAY, guest_mac, sender)
    return build_frame(guest_mac, ETHERTYPE_ARP, _ARP.pack(*answer))
