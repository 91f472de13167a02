# SPDX-License-Identifier: Apache-2.0
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.event import (
    BlockReason,
    CloseReason,
    EgressEvent,
    EgressEventKind,
    Transport,
)
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import GatewayService, HostOverride, RelaySpec
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.egress.report import (
    LineError,
    Notice,
    Reporter,
    decode_line,
    encode_event,
    encode_notice,
)
from bbox_server.infra.egress.settings import (
    Attendance,
    SettingsError,
    Word,
    decode_order,
    decode_settings,
    decode_update,
    encode_attendance,
    encode_settings,
    encode_update,
    encode_word,
)

POLICY = EgressPolicy(
    profile=EgressProfile.LOCKED,
    rules=(HostRule(name="*.a.com", ports=(443, 22)), HostRule(name="b.c", allow_private=True)),
)
SPEC = RelaySpec(
    session=SessionId("00000000"),
    socket=HostPath("/run/x/net"),
    policy=POLICY,
    services=(GatewayService(port=4484, socket=HostPath("/run/x/credential")),),
    overrides=(HostOverride(name="b.c", address="127.0.0.1", port=99),),
)
TEXT = st.text("abc.-é", max_size=20)
EVENTS = st.builds(
    EgressEvent,
    kind=st.sampled_from(EgressEventKind),
    id=st.integers(0, 2**40),
    at=st.floats(0, 1e9).map(lambda value: round(value, 3)),
    host=st.none() | TEXT,
    address=TEXT,
    port=st.integers(0, 65535),
    transport=st.sampled_from(Transport),
    reason=st.none() | st.sampled_from(BlockReason),
    sni=st.none() | TEXT,
    rule=TEXT,
    count=st.integers(1, 10**6),
    close=st.none() | st.sampled_from(CloseReason),
)


def test_settings_survive_the_way_to_the_relay() -> None:
    settings = decode_settings(encode_settings(SPEC, (1000, 1001)))
    assert settings.policy == POLICY
    assert settings.services == {4484: "/run/x/credential"}
    assert (settings.overrides, settings.socket) == (SPEC.overrides, SPEC.socket)
    assert settings.user == (1000, 1001)


def test_an_update_survives_the_way_to_the_relay() -> None:
    assert decode_update(encode_update(POLICY)) == POLICY


@pytest.mark.parametrize("is_allowed", [True, False])
def test_the_user_s_word_survives_the_way_to_the_relay(is_allowed: bool) -> None:  # noqa: FBT001 - a case
    word = Word(question=Question(host="a.test", port=22), is_allowed=is_allowed)
    assert decode_order(encode_word(word)) == word
    attendance = Attendance(can_ask=is_allowed)
    assert decode_order(encode_attendance(can_ask=is_allowed)) == attendance
    assert decode_order(encode_update(POLICY)) == POLICY


@given(st.binary(max_size=60) | st.builds(json.dumps, st.dictionaries(TEXT, TEXT)))
def test_an_order_that_is_none_is_refused_in_known_ways(line: bytes | str) -> None:
    with pytest.raises(SettingsError):
        decode_order(line.encode() if isinstance(line, str) else line)


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"x", b"[]", b"{}", b'{"policy":[]}', b'{"policy":{"profile":1,"rules":[]}}'),
        b'{"policy":{"profile":"locked","rules":[1]}}',
        b'{"policy":{"profile":"locked","rules":[{"name":"a","ports":"x"}]}}',
        b'{"policy":{"profile":"other","rules":[]}}',
    ],
)
def test_what_is_no_update_is_refused(line: bytes) -> None:
    with pytest.raises(SettingsError):
        decode_update(line)


@pytest.mark.parametrize("key", ["socket", "policy", "services", "overrides", "mtu"])
def test_settings_are_whole_or_refused(key: str) -> None:
    values = json.loads(encode_settings(SPEC, None))
    del values[key]
    with pytest.raises(SettingsError):
        decode_settings(json.dumps(values).encode())


@given(EVENTS)
def test_an_event_survives_the_way_to_the_host(event: EgressEvent) -> None:
    line = encode_event(event)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    assert decode_line(line) == event


def test_a_notice_is_told_from_an_event() -> None:
    assert decode_line(encode_notice(Notice(kind="ready"))) == Notice(kind="ready")


def test_what_a_terminal_would_act_on_is_escaped() -> None:
    told = decode_line(encode_event(EgressEvent(kind=EgressEventKind.OPEN, sni="\x1b[2J\u202e")))
    assert isinstance(told, EgressEvent)
    assert told.sni == "\\x1b[2J\\u202e"


@given(st.binary(max_size=100) | st.builds(json.dumps, st.dictionaries(TEXT, TEXT)))
def test_a_line_of_a_hostile_relay_is_refused_in_known_ways(line: bytes | str) -> None:
    data = line.encode() if isinstance(line, str) else line
    with pytest.raises(LineError):
        decode_line(data)


def test_a_full_pipe_drops_events_and_stops_nobody() -> None:
    reading, writing = os.pipe()
    try:
        reporter = Reporter(writing)
        for number in range(2000):
            reporter.event(EgressEvent(kind=EgressEventKind.OPEN, id=number))
        lines = os.read(reading, 1 << 20).splitlines()
    finally:
        os.close(reading)
        os.close(writing)
    assert 0 < len(lines) < 2000
    assert all(decode_line(line) for line in lines)
