# SPDX-License-Identifier: Apache-2.0
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.dns import NAME_ERROR, build_answer, parse_query
from tests.infra.egress.guest_stack import Answer, question

LABELS = st.lists(st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True), min_size=1, max_size=6)


@given(st.binary(max_size=600))
def test_no_message_breaks_the_parser(message: bytes) -> None:
    parsed = parse_query(message)
    assert parsed is None or len(parsed.name) <= 253


@given(LABELS, st.integers(0, 65535), st.integers(0, 65535))
def test_a_question_is_read_and_answered_as_it_came(
    labels: list[str], kind: int, identifier: int
) -> None:
    message = question(".".join(labels), kind, identifier)
    parsed = parse_query(message)
    assert parsed is not None
    assert (parsed.id, parsed.name, parsed.type) == (identifier, ".".join(labels), kind)
    answer = build_answer(parsed, 0, b"\xc6\x12\x00\x01", 60)
    assert answer[12:].startswith(message[12:])
    assert Answer(answer).address == b"\xc6\x12\x00\x01"


def test_names_are_lower_case_and_the_answer_keeps_the_question() -> None:
    message = question("ExAmple.COM")
    parsed = parse_query(message)
    assert parsed is not None
    assert parsed.name == "example.com"
    assert build_answer(parsed, NAME_ERROR, None, 60)[12:] == message[12:]


def test_an_edns_record_may_follow() -> None:
    message = bytearray(question("example.com"))
    message[11] = 1
    message += b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    assert parse_query(bytes(message)) is not None


def altered(**bytes_at: int) -> bytes:
    message = bytearray(question("example.com"))
    for place, value in bytes_at.items():
        message[int(place[1:])] = value
    return bytes(message)


@pytest.mark.parametrize(
    "message",
    [
        altered(b2=0x81),
        altered(b2=0x28),
        altered(b5=2),
        altered(b5=0),
        altered(b7=1),
        altered(b9=1),
        altered(b12=0xC0),
        altered(b12=0x40),
        altered(b13=0xFF),
        altered(b15=ord(".")),
        question("example.com")[:-1],
        question("example.com")[:-2] + b"\x00\x03",
        question("a" * 63 + ".b"),
        b"",
    ],
    ids=[
        *("an answer", "an update", "two questions", "no question", "answers in it"),
        *("authorities in it", "a pointer", "a long label", "no ASCII", "a dot in a label"),
        *("cut", "chaos class", "fine", "empty"),
    ],
)
def test_what_is_no_plain_question_is_not_answered(
    message: bytes, request: pytest.FixtureRequest
) -> None:
    is_fine = "fine" in request.node.name
    assert (parse_query(message) is not None) is is_fine


def test_a_name_beyond_253_characters_is_not_answered() -> None:
    assert parse_query(question(".".join(["a" * 50] * 5 + ["b"]))) is None
    assert parse_query(question(".".join(["a" * 62] * 4 + ["b"]))) is not None
