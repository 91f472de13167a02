# SPDX-License-Identifier: Apache-2.0
"""DNS messages (RFC 1035): one question in, one address or nothing out."""

import struct
from typing import Final, NamedTuple

TYPE_A: Final = 1
NO_ERROR: Final = 0
SERVER_FAILURE: Final = 2
NAME_ERROR: Final = 3

_HEAD: Final = struct.Struct("!6H")
_TAIL: Final = struct.Struct("!HH")
_ANSWER: Final = struct.Struct("!HHHIH4s")
_MAX_QUERY: Final = 512
_MAX_LABEL: Final = 63
_MAX_NAME: Final = 253
_QUERY_MASK: Final = 0xF800
"""Response bit and opcode: both zero in a standard query."""
_ANSWER_FLAGS: Final = 0x8180
_POINTER_TO_QUESTION: Final = 0xC00C
_CLASS_IN: Final = 1


class Question(NamedTuple):
    """One question; `raw` is its section as it came."""

    id: int
    name: str
    type: int
    raw: bytes


def parse_query(message: bytes) -> Question | None:
    """Read a standard query with one question; None for anything else.

    An EDNS record may follow and is not looked at. The name is lower-case, without the last dot.
    """
    if not _HEAD.size < len(message) <= _MAX_QUERY:
        return None
    identifier, flags, questions, answers, authorities, _ = _HEAD.unpack_from(message)
    if flags & _QUERY_MASK or (questions, answers, authorities) != (1, 0, 0):
        return None
    labels, end = _labels(message, _HEAD.size)
    if labels is None or len(message) < end + _TAIL.size:
        return None
    kind, record_class = _TAIL.unpack_from(message, end)
    name = ".".join(labels)
    if record_class != _CLASS_IN or len(name) > _MAX_NAME:
        return None
    return Question(identifier, name, kind, message[_HEAD.size : end + _TAIL.size])


def build_answer(question: Question, code: int, address: bytes | None, ttl_s: int) -> bytes:
    """The answer: an address, or none with a code."""
    head = _HEAD.pack(question.id, _ANSWER_FLAGS | code, 1, int(address is not None), 0, 0)
    if address is None:
        return head + question.raw
    record = _ANSWER.pack(_POINTER_TO_QUESTION, TYPE_A, _CLASS_IN, ttl_s, 4, address)
    return head + question.raw + record


def _labels(message: bytes, at: int) -> tuple[list[str] | None, int]:
    labels: list[str] = []
    while at < len(message) and message[at]:
        length = message[at]
        text = message[at + 1 : at + 1 + length]
        # A pointer (two high bits) has nothing to point to in a query.
        if length > _MAX_LABEL or len(text) != length or not text.isascii():
            return None, at
        # A dot within a label would make two of one.
        if b"." in text:
            return None, at
        labels.append(text.decode("ascii").lower())
        at += 1 + length
    if at >= len(message):
        return None, at
    return labels, at + 1
