# SPDX-License-Identifier: Apache-2.0
"""`bbox network learn`: what is made of what a run reached."""

import io
from argparse import Namespace
from dataclasses import dataclass, field
from typing import cast

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import EventKind, EventValue, SessionEvent
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.arguments import parse
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.learned_hosts import (
    check_learning,
    config_lines,
    learned,
    tell_learned,
)
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.cli.style import Style
from tests.entrypoints.test_network_command import HERE, Logs, blocked
from tests.fakes.egress import MemoryKeptRules
from tests.fakes.gateway import SESSION

STANDARD = EgressPolicy(
    profile=EgressProfile.STANDARD, rules=(HostRule(name="known.test", ports=(443,)),)
)


def opened(host: str | None, port: EventValue, transport: str = "tcp") -> SessionEvent:
    fields: dict[str, EventValue] = {"host": host, "address": "1.2.3.4", "port": port}
    return SessionEvent(
        session=SESSION,
        seq=1,
        at=0.0,
        kind=EventKind.NETWORK_OPEN,
        fields={**fields, "transport": transport},
    )


def test_each_name_is_there_once_with_its_ports() -> None:
    events = [
        *(opened("b.test", 8443), opened("a.test", 443), opened("b.test", 443)),
        *(opened("a.test", 443), blocked("never.test", 443, "upstream-refused")),
    ]
    found = learned(events, STANDARD)
    assert found.needed == (
        HostRule(name="a.test", ports=(443,)),
        HostRule(name="b.test", ports=(443, 8443)),
    )


def test_what_standard_has_by_itself_is_not_needed() -> None:
    found = learned([opened("known.test", 443), opened("known.test", 22)], STANDARD)
    assert found.needed == (HostRule(name="known.test", ports=(22,)),)
    assert found.known == (HostRule(name="known.test", ports=(443,)),)


def test_an_address_without_a_name_is_told_and_no_rule() -> None:
    found = learned([opened(None, 443)], STANDARD)
    assert (found.needed, found.nameless) == ((), ("1.2.3.4:443",))


def test_what_went_by_quic_is_needed_and_other_udp_is_not() -> None:
    found = learned([opened("a.test", 443, "udp"), opened("b.test", 123, "udp")], STANDARD)
    assert found.needed == (HostRule(name="a.test", ports=(443,)),)


@given(st.lists(st.builds(opened, st.none() | st.text(max_size=20), st.integers(-1, 70000))))
def test_any_events_make_a_config_of_valid_rules(events: list[SessionEvent]) -> None:
    found = learned(events, STANDARD)
    text = "\n".join(config_lines(found, SESSION))
    config = yaml.safe_load(text)
    assert [entry["name"] for entry in config["network"]["allow_hosts"]] == [
        rule.name for rule in found.needed
    ]


@dataclass
class Tty(io.StringIO):
    """Someone is there."""

    answer: str = ""
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.answer)

    @override
    def isatty(self) -> bool:
        return True


@dataclass
class Desk:
    """What `bbox network learn` uses of the services at its end."""

    logs: Logs
    rules: MemoryKeptRules = field(default_factory=MemoryKeptRules)
    directory: HostPath = HERE

    def kept(self, _: HostPath | None) -> MemoryKeptRules:
        return self.rules

    def tell(self, *words: str, answer: str | None = None) -> str:
        values = parse(["network", "learn", "--image", "x", *words], lambda: "1").values
        given: io.StringIO = io.StringIO() if answer is None else Tty(answer)
        out: io.StringIO = io.StringIO() if answer is None else Tty()
        console = Console(out=out, error=io.StringIO(), input=given, style=Style(colour=False))
        services = cast("Services", self)  # the rest of them is another command's
        tell_learned(SESSION, values, services, console)
        return out.getvalue()


@pytest.fixture
def desk() -> Desk:
    return Desk(Logs([opened("a.test", 443), opened("github.com", 443)]))


def test_the_list_is_shown_and_kept_by_nobody_who_was_not_asked(desk: Desk) -> None:
    said = desk.tell()
    assert yaml.safe_load(said) == {
        "network": {"allow_hosts": [{"name": "a.test", "ports": [443]}]}
    }
    assert "# In standard by itself: github.com:443" in said
    assert desk.rules.rules == []


@pytest.mark.parametrize(("answer", "kept"), [("y\n", 1), ("n\n", 0), ("\n", 0), ("", 0)])
def test_on_a_terminal_the_user_is_asked(desk: Desk, answer: str, kept: int) -> None:
    desk.tell(answer=answer)
    assert len(desk.rules.rules) == kept


def test_keep_is_for_scripts(desk: Desk) -> None:
    desk.tell("--keep")
    assert desk.rules.rules == [HostRule(name="a.test", ports=(443,))]


def test_it_is_a_run_with_a_runs_options() -> None:
    line = parse(
        ["network", "learn", "codex", "--keep", "--port", "1:2", "--", "exec", "x"], lambda: "1"
    )
    assert line.command == "run"
    assert (line.values.agent, line.values.args) == ("codex", ["exec", "x"])
    assert (line.values.learn, line.values.keep, line.values.port) == (True, True, ["1:2"])
    assert parse(["codex"], lambda: "1").values.learn is False


@pytest.mark.parametrize("profile", ["standard", "locked"])
def test_it_is_in_permissive_alone(profile: str) -> None:
    with pytest.raises(BboxError) as caught:
        check_learning(Namespace(egress_profile=profile))
    assert caught.value.code is ErrorCode.CLI_USAGE
