# SPDX-License-Identifier: Apache-2.0
"""`bbox network` as a user types it, on fakes."""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

import pytest
from typing_extensions import override

from bbox_server.application.find_session import FindSession
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import (
    EventKind,
    EventValue,
    SessionEvent,
    SessionId,
    SessionRecord,
    SessionState,
)
from bbox_server.domain.session_logs import SessionLogs
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.arguments import parse
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.network_command import network
from bbox_server.entrypoints.cli.network_view import MAX_SHOWN, summary_lines
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.cli.style import Style
from tests.fakes.gateway import SESSION, FakeGateway
from tests.fakes.session import MemorySessionStore

HERE = HostPath("/home/ada/tally")


def event(kind: EventKind, **fields: EventValue) -> SessionEvent:
    return SessionEvent(session=SESSION, seq=1, at=0.0, kind=kind, fields=fields)


def blocked(host: str | None, port: int, reason: str, count: int = 1) -> SessionEvent:
    return event(
        EventKind.NETWORK_BLOCKED,
        host=host,
        address="198.18.0.1",
        port=port,
        reason=reason,
        count=count,
    )


@dataclass
class Logs(SessionLogs):
    kept: list[SessionEvent] = field(default_factory=list)

    @override
    def events(self, session: SessionId) -> Iterable[SessionEvent]:
        return self.kept

    @override
    def console(self, session: SessionId) -> str:
        return ""

    @override
    def trace(self, session: SessionId) -> HostPath | None:
        return None


@dataclass
class Desk:
    """What `bbox network` uses of the services."""

    logs: Logs = field(default_factory=Logs)
    gateways: FakeGateway = field(default_factory=FakeGateway)
    directory: HostPath = HERE

    def __post_init__(self) -> None:
        record = SessionRecord(
            id=SESSION,
            state=SessionState.RUNNING,
            agent="codex",
            workspace=HERE,
            command=(),
            image="",
            created_at=1.0,
        )
        self.find = FindSession(sessions=MemorySessionStore(records={SESSION: record}))

    def gateway(self) -> FakeGateway:
        return self.gateways

    async def type(self, *words: str) -> str:
        console = Console(
            out=io.StringIO(), error=io.StringIO(), input=io.StringIO(), style=Style(colour=False)
        )
        services = cast("Services", self)  # the rest of them is another command's
        await network(parse(["network", *words], lambda: "1").values, services, console)
        assert isinstance(console.out, io.StringIO)
        return console.out.getvalue()

    @property
    def answered(self) -> list[tuple[object, ...]]:
        asked = [each for connection in self.gateways.connections for each in connection.asked]
        return [(params["host"], params["port"], params["answer"]) for _, params in asked]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("allow", "a.test:22"), "session"),
        (("allow", SESSION, "a.test:22"), "session"),
        (("allow", SESSION[:4], "a.test:22", "--once"), "once"),
        (("allow", "a.test:22", "--always"), "always"),
        (("deny", "A.test:22"), "deny"),
    ],
)
async def test_a_host_is_answered_for(desk: Desk, words: tuple[str, ...], answer: str) -> None:
    said = await desk.type(*words)
    assert desk.answered == [("a.test", 22, answer)]
    assert said.startswith("a.test:22: ")


async def test_a_bare_host_is_https_and_http(desk: Desk) -> None:
    await desk.type("allow", "a.test", "b.test:22")
    allowed = [found[:2] for found in desk.answered]
    assert allowed == [("a.test", 443), ("a.test", 80), ("b.test", 22)]


@pytest.mark.parametrize(
    "words",
    [
        ("allow",),
        ("deny", SESSION),
        ("log", SESSION, "a.test"),
        ("rules", "a.test"),
        ("deny", "a.test", "--always"),
        ("log", "--once"),
        ("allow", "a.test", "--once", "--always"),
        ("open", "a.test"),
        (),
    ],
)
async def test_a_line_that_means_nothing_is_refused(desk: Desk, words: tuple[str, ...]) -> None:
    with pytest.raises(BboxError) as raised:
        await desk.type(*words)
    assert raised.value.code is ErrorCode.CLI_USAGE
    assert desk.answered == []


async def test_one_bad_host_of_several_allows_none(desk: Desk) -> None:
    with pytest.raises(BboxError) as raised:
        await desk.type("allow", "a.test", "10.0.0.1")
    assert raised.value.code is ErrorCode.EGRESS_INVALID_RULE
    assert desk.answered == []


async def test_rules_say_where_they_come_from(desk: Desk) -> None:
    assert (await desk.type("rules")).splitlines() == [
        "profile standard",
        "  *.github.com:443",
        "  api.example.com:443  added in this session",
    ]


async def test_the_log_has_a_line_for_each_event_of_the_network(desk: Desk) -> None:
    desk.logs.kept = [
        event(EventKind.CHANGES),
        blocked("a.test", 443, "host-not-in-profile", 3),
        event(EventKind.NETWORK_CLOSE, host="b.test", port=22, up_bytes=5, down_bytes=7),
        event(EventKind.NETWORK_ANSWERED, host="a.test", port=443, answer="deny"),
    ]
    assert [line[10:] for line in (await desk.type("log")).splitlines()] == [
        "blocked   a.test:443  host-not-in-profile  3 times",
        "closed    b.test:22  5 bytes up, 7 down",
        "answered  a.test:443  deny",
    ]
    found = [json.loads(line) for line in (await desk.type("log", "--json")).splitlines()]
    assert [each["kind"] for each in found] == [
        "network.blocked",
        "network.close",
        "network.answered",
    ]


async def test_a_session_without_network_says_so(desk: Desk) -> None:
    assert "has not used the network" in await desk.type("log")


async def test_the_guests_words_can_not_drive_a_terminal(desk: Desk) -> None:
    desk.logs.kept = [blocked("\x1b[2Jevil", 443, "\x1b[31m")]
    assert "\x1b" not in await desk.type("log")
    assert "\x1b" not in "".join(summary_lines(desk.logs.kept))


def test_the_summary_names_each_once_and_the_flags_that_would_allow() -> None:
    events = [
        blocked("a.test", 443, "host-not-in-profile"),
        blocked("a.test", 443, "host-not-in-profile", 4),
        blocked(None, 22, "direct-ip"),
        blocked("b.test", 443, "sni-mismatch"),
    ]
    assert summary_lines(events) == (
        "The network blocked:",
        "  a.test:443  5 times",
        "  198.18.0.1:22  once",
        "  b.test:443  once",
        "Allow with: --allow-host a.test:443",
    )


def test_nothing_blocked_is_no_summary() -> None:
    assert summary_lines([event(EventKind.CHANGES)]) == ()


def test_a_long_summary_is_cut() -> None:
    events = [blocked(f"h{number}.test", 443, "direct-ip") for number in range(MAX_SHOWN + 5)]
    assert summary_lines(events)[-1] == "  and 5 more: bbox network log"
