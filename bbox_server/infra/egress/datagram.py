# SPDX-License-Identifier: Apache-2.0
"""UDP (RFC 768)."""

import struct
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct("!HHHH")


class Datagram(NamedTuple):
    """A UDP datagram."""

    source_port: int
    destination_port: int
    payload: memoryview


def parse_datagram(body: memoryview) -> Datagram | None:
    """Take a datagram apart; None where its length is wrong."""
    if len(body) < _HEAD.size:
        return None
    source, destination, length, _ = _HEAD.unpack_from(body)
    if not _HEAD.size <= length <= len(body):
        return None
    return Datagram(source, destination, body[_HEAD.size : length])


def build_datagram(source_port: int, destination_port: int, payload: bytes) -> bytes:
    """A datagram; IPv4 lets its checksum be left out."""
    return _HEAD.pack(source_port, destination_port, _HEAD.size + len(payload), 0) + payload
