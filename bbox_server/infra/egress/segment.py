# SPDX-License-Identifier: Apache-2.0
"""TCP segments (RFC 9293, 3.1): strict reading, quick writing."""

import struct
from typing import Final, NamedTuple

from bbox_server.infra.egress.checksum import checksum, word_sum
from bbox_server.infra.egress.packet import (
    ETHERTYPE_IPV4,
    GATEWAY_MAC,
    GUEST,
    PROTOCOL_TCP,
)

FIN: Final = 1
SYN: Final = 2
RST: Final = 4
PSH: Final = 8
ACK: Final = 16
_CONTROL: Final = FIN | SYN | RST | ACK

MASK: Final = 0xFFFFFFFF
HALF: Final = 0x80000000
WINDOW_SHIFT: Final = 7
MIN_MSS: Final = 536
HEADERS_BYTES: Final = 14 + 20 + 20

_TCP: Final = struct.Struct("!HHIIBBHHH")
_FULL: Final = struct.Struct("!6s6sHBBHHHBBH4s4sHHIIBBHHH")
_MAX_SHIFT: Final = 14
# No segment that a TCP sends has both, or none, of these.
_SENSIBLE: Final = frozenset((SYN, SYN | ACK, ACK, FIN | ACK, RST, RST | ACK))


class Segment(NamedTuple):
    """A TCP segment; the views are valid as long as the frame is."""

    source_port: int
    destination_port: int
    sequence: int
    acknowledgement: int
    flags: int
    window: int
    options: memoryview
    payload: memoryview


class SynOptions(NamedTuple):
    """What a SYN offers. `shift` None: no window scaling."""

    mss: int
    shift: int | None


def parse_segment(body: memoryview) -> Segment | None:
    """Take a segment apart; None where lengths or flags make no sense."""
    if len(body) < _TCP.size:
        return None
    source, destination, sequence, ack, offset, flags, window, _, _ = _TCP.unpack_from(body)
    start = (offset >> 4) * 4
    if not _TCP.size <= start <= len(body) or flags & _CONTROL not in _SENSIBLE:
        return None
    options, payload = body[_TCP.size : start], body[start:]
    return Segment(source, destination, sequence, ack, flags, window, options, payload)


def parse_syn_options(options: memoryview, largest_mss: int) -> SynOptions:
    """Read segment size and window scale (RFC 9293, 3.2; RFC 7323, 2.2); stop at nonsense."""
    mss, shift, at = MIN_MSS, None, 0
    while at < len(options) and options[at]:
        if options[at] == 1:
            at += 1
            continue
        length = options[at + 1] if at + 1 < len(options) else 0
        if length < 2 or at + length > len(options):  # noqa: PLR2004 - kind and length themselves
            break
        value = options[at + 2 : at + length]
        if (options[at], length) == (2, 4):
            mss = max(MIN_MSS, int.from_bytes(value, "big"))
        if (options[at], length) == (3, 3):
            shift = min(value[0], _MAX_SHIFT)
        at += length
    return SynOptions(min(mss, largest_mss), shift)


def syn_options(mss: int, *, scaled: bool) -> bytes:
    """The options of our SYN: segment size, and window scale where the guest offered its own."""
    options = struct.pack("!BBH", 2, 4, mss)
    return options + bytes((1, 3, 3, WINDOW_SHIFT)) if scaled else options


def after(first: int, second: int) -> int:
    """How far `first` is after `second` in sequence space; negative where it is before."""
    distance = (first - second) & MASK
    return distance - (MASK + 1) if distance & HALF else distance


class SegmentWriter:
    """Builds the headers of one connection's segments to the guest."""

    def __init__(self, guest_mac: bytes, remote: bytes, remote_port: int, guest_port: int) -> None:
        self._guest_mac = guest_mac
        self._remote = remote
        self._ports = (remote_port, guest_port)
        addresses = word_sum(remote + GUEST)
        self._tcp_sum = addresses + PROTOCOL_TCP + remote_port + guest_port
        self._ip_sum = addresses + 0x4500 + 0x4000 + (64 << 8 | PROTOCOL_TCP)

    def header(  # noqa: PLR0913, PLR0917 - the fields of a TCP header
        self,
        sequence: int,
        acknowledgement: int,
        flags: int,
        window: int,
        payload: bytes | memoryview = b"",
        options: bytes = b"",
    ) -> bytes:
        """Ethernet, IPv4 and TCP header with the options, for this payload."""
        offset = (5 + len(options) // 4) << 4
        length = 20 + len(options) + len(payload)
        total = self._tcp_sum + length + (offset << 8 | flags) + window
        total += (sequence >> 16) + (sequence & 0xFFFF)
        total += (acknowledgement >> 16) + (acknowledgement & 0xFFFF)
        total += word_sum(payload) + word_sum(options)
        ip_length = 20 + length
        packed = _FULL.pack(
            *(self._guest_mac, GATEWAY_MAC, ETHERTYPE_IPV4),
            *(0x45, 0, ip_length, 0, 0x4000, 64, PROTOCOL_TCP, checksum(self._ip_sum + ip_length)),
            *(self._remote, GUEST, *self._ports, sequence, acknowledgement),
            *(offset, flags, window, checksum(total), 0),
        )
        return packed + options


def reset_for(guest_mac: bytes, remote: bytes, segment: Segment) -> bytes | None:
    """The reset that answers a segment nobody waits for (RFC 9293, 3.5.2); none for a reset."""
    if segment.flags & RST:
        return None
    writer = SegmentWriter(guest_mac, remote, segment.destination_port, segment.source_port)
    if segment.flags & ACK:
        return writer.header(segment.acknowledgement, 0, RST, 0)
    length = len(segment.payload) + bool(segment.flags & SYN) + bool(segment.flags & FIN)
    return writer.header(0, (segment.sequence + length) & MASK, RST | ACK, 0)
