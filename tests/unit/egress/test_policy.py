# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.event import BlockReason
from bbox_server.domain.egress.group import BUILT_IN_GROUPS, HostGroup
from bbox_server.domain.egress.policy import (
    EgressPolicy,
    agent_hosts,
    resolve_policy,
    with_rules,
)
from bbox_server.domain.egress.profile import EgressProfile, parse_profile, stricter
from bbox_server.domain.egress.rule import HostRule, parse_host_rule
from bbox_server.domain.error import BboxError

PROVIDER = (HostRule(name="api.example.com", ports=(443,)),)
PROFILES = st.sampled_from([*EgressProfile, "bogus", ""])


def policy(*rules: str, profile: EgressProfile = EgressProfile.STANDARD) -> EgressPolicy:
    return EgressPolicy(profile=profile, rules=tuple(parse_host_rule(rule) for rule in rules))


def test_all_matching_entries_count_not_the_first_alone() -> None:
    both = policy("*.x.com:443", "api.x.com:8443")
    assert both.ports("api.x.com") == (443, 8443)
    assert both.decide("api.x.com", 8443).reason is None
    assert both.decide("www.x.com", 8443).reason is BlockReason.PORT_NOT_ALLOWED


def test_an_unknown_name_is_not_in_the_profile() -> None:
    assert policy("x.com").decide("y.com", 443).reason is BlockReason.HOST_NOT_IN_PROFILE


def test_a_verdict_names_the_rule_that_allowed_it() -> None:
    assert policy("*.x.com:443", "api.x.com").decide("api.x.com", 80).rule == "api.x.com"


def test_private_addresses_need_a_rule_for_that_port() -> None:
    rules = (
        HostRule(name="x.com", ports=(443,)),
        HostRule(name="x.com", ports=(8443,), allow_private=True),
    )
    mixed = EgressPolicy(profile=EgressProfile.STANDARD, rules=rules)
    assert not mixed.decide("x.com", 443).allow_private
    assert mixed.decide("x.com", 8443).allow_private


def test_permissive_allows_any_name_and_no_private_address() -> None:
    verdict = policy(profile=EgressProfile.PERMISSIVE).decide("anything.example", 1)
    assert verdict.reason is None
    assert not verdict.allow_private


def test_permissive_ignores_extra_hosts_but_those_with_private_addresses() -> None:
    private = HostRule(name="nas.home", allow_private=True)
    merged = with_rules(policy(profile=EgressProfile.PERMISSIVE), (HostRule(name="a.com"), private))
    assert merged.rules == (private,)


def test_extra_hosts_come_after_the_profile_s_and_one_twice_is_the_same() -> None:
    merged = with_rules(policy("a.com"), (parse_host_rule("b.com"), parse_host_rule("a.com")))
    assert [rule.name for rule in merged.rules] == ["a.com", "b.com", "a.com"]
    assert merged.ports("a.com") == policy("a.com").ports("a.com")


def test_standard_is_locked_and_the_groups() -> None:
    groups = (HostGroup(name="g", reason="because", rules=(HostRule(name="g.com"),)),)
    hosts = agent_hosts(PROVIDER, groups)
    assert hosts[EgressProfile.LOCKED] == PROVIDER
    assert hosts[EgressProfile.STANDARD] == (*PROVIDER, HostRule(name="g.com"))


def test_a_profile_without_hosts_is_refused() -> None:
    with pytest.raises(BboxError, match="no egress hosts"):
        resolve_policy(EgressProfile.STANDARD, {EgressProfile.LOCKED: PROVIDER})


def test_services_alone_are_a_policy() -> None:
    assert resolve_policy(EgressProfile.LOCKED, {}, has_services=True).rules == ()


def test_permissive_needs_no_hosts() -> None:
    assert resolve_policy(EgressProfile.PERMISSIVE, {}).is_permissive


@pytest.mark.parametrize("group", BUILT_IN_GROUPS, ids=lambda group: str(group.name))
def test_each_built_in_group_gives_its_reason_and_valid_rules(group: HostGroup) -> None:
    assert group.reason.endswith(".")
    assert all(parse_host_rule(rule.name) for rule in group.rules)
    assert all(rule.ports for rule in group.rules)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("permissive", "locked", "locked"),
        ("locked", "permissive", "locked"),
        ("standard", "permissive", "standard"),
        ("permissive", "bogus", "permissive"),
        ("bogus", "locked", "locked"),
        ("", "locked", "locked"),
        ("bogus", "worse", "bogus"),
    ],
)
def test_the_stricter_profile_wins_and_nonsense_never_does(
    first: str, second: str, expected: str
) -> None:
    assert stricter(first, second) == expected


@given(PROFILES, PROFILES, PROFILES)
def test_order_does_not_matter_for_what_is_strict(first: str, second: str, third: str) -> None:
    if {first, second, third} & set(EgressProfile):
        left = stricter(stricter(first, second), third)
        assert left == stricter(first, stricter(second, third)) == stricter(third, left)


def test_an_unknown_profile_is_refused() -> None:
    with pytest.raises(BboxError, match="unknown egress profile"):
        parse_profile("")
