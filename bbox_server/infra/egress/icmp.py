# SPDX-License-Identifier: Apache-2.0
"""ICMP (RFC 792): the gateway answers a ping, everything else is prohibited."""

import struct
from typing import Final

from bbox_server.infra.egress.checksum import checksum, word_sum

_HEAD: Final = struct.Struct("!BBHI")
_ECHO_REPLY: Final = 0
_UNREACHABLE: Final = 3
_ECHO: Final = 8
_PROHIBITED: Final = 13
_QUOTED_BYTES: Final = 28


def echo_reply(message: memoryview) -> bytes | None:
    """The answer to a ping; None where it is none."""
    if len(message) < _HEAD.size or message[0] != _ECHO or message[1] != 0:
        return None
    answer = bytes((_ECHO_REPLY, 0, 0, 0)) + bytes(message[4:])
    return answer[:2] + checksum(word_sum(answer)).to_bytes(2, "big") + answer[4:]


def prohibited(packet: memoryview) -> bytes:
    """Communication administratively prohibited (RFC 1812, 5.2.7.1), about this packet."""
    body = _HEAD.pack(_UNREACHABLE, _PROHIBITED, 0, 0) + bytes(packet[:_QUOTED_BYTES])
    return body[:2] + checksum(word_sum(body)).to_bytes(2, "big") + body[4:]
