# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.rule import (
    DEFAULT_PORTS,
    HostRule,
    host_rule,
    is_host_name,
    parse_host_rule,
)
from bbox_server.domain.error import BboxError, ErrorCode

LABEL = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9_])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=2, max_size=5).map(".".join).filter(is_host_name)


@pytest.mark.parametrize(
    ("text", "name", "ports"),
    [
        ("api.github.com", "api.github.com", ()),
        ("*.docker.io:443", "*.docker.io", (443,)),
        ("  example.com:8080  ", "example.com", (8080,)),
        ("API.GitHub.COM:443", "api.github.com", (443,)),
        ("_dmarc.example.com", "_dmarc.example.com", ()),
        ("localhost", "localhost", ()),
        ("1.2.3", "1.2.3", ()),
        ("x.y:65535", "x.y", (65535,)),
        ("a" * 63 + ".com", "a" * 63 + ".com", ()),
    ],
)
def test_a_rule_is_a_name_and_perhaps_a_port(text: str, name: str, ports: tuple[int, ...]) -> None:
    assert parse_host_rule(text) == HostRule(name=name, ports=ports)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty host"),
        ("  ", "empty host"),
        (":443", "empty host"),
        ("example.com:", "missing port"),
        ("example.com:0", "non-zero"),
        ("example.com:-1", "invalid port"),
        ("example.com:٤٤٣", "invalid port"),
        ("example.com:65536", "at most 65535"),
        ("example.com:100000", "invalid port"),
        ("1.2.3.4", "IP address"),
        ("1.2.3.4:80", "IP address"),
        ("[::1]:443", "IP address"),
        ("fe80::1", "IP address"),
        ("*", "two labels"),
        ("*.com", "two labels"),
        ("*.*.com", "leftmost label"),
        ("foo.*.com", "leftmost label"),
        ("*a.com", "leftmost label"),
        ("example.com.", "trailing dot"),
        ("-a.com", "hyphen"),
        ("end-.com", "hyphen"),
        ("foo..bar", "empty label"),
        (".foo", "empty label"),
        ("a" * 64 + ".com", "63 characters"),
        (".".join(["a" * 60] * 5), "253 characters"),
        ("exa mple.com", "character"),
        ("münchen.de", "character"),
        ("a/b.com", "character"),
        ("a\n.com", "character"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_wrong(text: str, fault: str) -> None:
    with pytest.raises(BboxError, match=fault) as raised:
        parse_host_rule(text)
    assert raised.value.code is ErrorCode.EGRESS_INVALID_RULE


def test_a_bare_host_means_443_and_80() -> None:
    assert parse_host_rule("example.com").open_ports == DEFAULT_PORTS == (443, 80)


def test_a_config_file_may_not_open_port_0() -> None:
    with pytest.raises(BboxError, match="non-zero"):
        host_rule("example.com", (443, 0))


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("auth.docker.io", True),
        ("a.b.docker.io", True),
        ("docker.io", False),
        (".docker.io", False),
        ("evildocker.io", False),
        ("auth.docker.io.evil.com", False),
    ],
)
def test_a_wildcard_is_one_or_more_labels_and_not_the_apex(name: str, *, matches: bool) -> None:
    assert HostRule(name="*.docker.io").matches(name) is matches


@given(NAME, st.none() | st.integers(1, 65535))
def test_a_rule_survives_its_own_text(name: str, port: int | None) -> None:
    rule = HostRule(name=name, ports=(port,) if port else ())
    assert parse_host_rule(str(rule)) == rule


@given(st.text(max_size=300))
def test_any_text_is_a_rule_or_an_error_to_act_on(text: str) -> None:
    cause = ""
    ports: tuple[int, ...] = ()
    try:
        ports = parse_host_rule(text).open_ports
    except BboxError as error:
        cause = error.cause
    assert bool(cause) is not bool(ports)
    assert cause.isascii()
    assert all(0 < port < 65536 for port in ports)


@given(NAME, NAME)
def test_an_exact_rule_matches_its_own_name_alone(rule: str, name: str) -> None:
    assert HostRule(name=rule).matches(name) is (rule == name)
