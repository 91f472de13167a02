# SPDX-License-Identifier: Apache-2.0
"""No workspace's file ever widens: any user's config with any workspace's over it (P-25)."""

from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.config.effective import effective
from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.listing import Leaf, listed
from bbox_server.domain.config.mcp_section import AuthzProfile
from bbox_server.domain.config.merge import MergedConfig, merge_configs
from bbox_server.domain.config.merged_values import AUTHZ_LOOSEST_LAST, LOOSEST_LAST
from bbox_server.domain.config.problem import KeyPath, Layer
from bbox_server.domain.config.sections import Config
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.environment import intersected
from bbox_server.domain.settings import SettingsCategory
from tests.unit.config.any_config import any_config
from tests.unit.config.configs import BASELINE

NAMES: Final = ("codex", "gemini", "mine", "other", None)

# What a workspace may change, by the last names of its path; all else must be the user's own.
NARROWED: Final = frozenset(
    {
        *("cpus", "memory", "tmp_size", "egress_profile", "exclude_patterns", "allow_hosts"),
        *("forward_token", "forward_ssh_agent", "firmware_download", "env_forward", "mode"),
        *("requests", "requests_per_minute", "data"),
    }
)
NARROWED_PATHS: Final = (("review", "enabled"), ("mcp", "enabled"), ("mcp", "authz"))


def merge(mine: Config, theirs: Config, *, trusted: bool = False) -> MergedConfig:
    return merge_configs(
        ConfigLayer(config=mine, layer=Layer.GLOBAL),
        ConfigLayer(config=theirs, layer=Layer.WORKSPACE),
        BASELINE,
        trusted=trusted,
    )


def alone(mine: Config) -> Config:
    return merge_configs(ConfigLayer(config=mine, layer=Layer.GLOBAL), None, BASELINE).config


def is_narrowed(path: KeyPath) -> bool:
    names = tuple(part for part in path if isinstance(part, str))
    in_agent = names[2:] if names[0] == "agents" else names
    return (
        "settings_import" in names
        or bool(NARROWED & {names[-1]} and in_agent[0] != "workspace")
        or in_agent[:2] in NARROWED_PATHS
        or names == ("workspace", "mode")
    ) and not ("mcp" in names and "mode" in names)


def untouched(config: Config) -> list[tuple[KeyPath, Leaf]]:
    return [(path, leaf) for path, leaf in listed(config) if not is_narrowed(path)]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A user's config before and after a workspace's was put over it."""

    mine: Config
    before: Config
    after: Config
    trusted: MergedConfig
    merged: MergedConfig


def pair_of(mine: Config, theirs: Config) -> Pair:
    merged = merge(mine, theirs)
    return Pair(
        mine=mine,
        before=alone(mine),
        after=merged.config,
        trusted=merge(mine, theirs, trusted=True),
        merged=merged,
    )


PAIRS: Final = st.builds(pair_of, any_config(), any_config())


@settings(max_examples=150)
@given(PAIRS)
def test_no_workspace_ever_widens(pair: Pair) -> None:
    what_a_workspace_has_no_say_in_is_the_users(pair)
    for name in NAMES:
        no_agent_gets_more_of_the_machine(pair, name)
        no_agent_gets_more_of_the_network(pair, name)
        no_settings_are_carried_that_were_not(pair, name)
    for name in ("codex", "gemini", "mine", "other"):
        no_variable_is_forwarded_that_was_not(pair, name)
        mcp_is_not_looser(pair, name)
    no_switch_is_turned_on(pair)
    patterns_are_only_added_and_none_negates(pair)
    what_is_not_applied_is_said(pair)


def what_a_workspace_has_no_say_in_is_the_users(pair: Pair) -> None:
    before, after = untouched(pair.before), untouched(pair.after)
    assert [one for one in after if one not in before] == []
    assert [one for one in before if one not in after] == []


def no_agent_gets_more_of_the_machine(pair: Pair, name: str | None) -> None:
    own = BASELINE.resources_of(name or "")
    before, after = effective(pair.before, name), effective(pair.after, name)
    assert (after.cpus or own.cpus) <= (before.cpus or own.cpus)
    assert (after.memory_mib or own.memory_mib) <= (before.memory_mib or own.memory_mib)
    assert (after.tmp_size_mib or own.tmp_size_mib) <= (before.tmp_size_mib or own.tmp_size_mib)


def no_agent_gets_more_of_the_network(pair: Pair, name: str | None) -> None:
    before, after = effective(pair.before, name), effective(pair.after, name)
    rank = LOOSEST_LAST.index
    assert rank(after.egress_profile) <= rank(before.egress_profile)
    assert [rule for rule in after.allow_hosts if not covered(rule, before.allow_hosts)] == []


def covered(rule: HostRule, allowed: tuple[HostRule, ...]) -> bool:
    """By brute force: all names of a small world that the rule opens are open already."""
    names = [
        *("a.example.com", "b.example.com", "x.a.example.com", "b.example.org", "example.com"),
        *("y.x.a.example.com", "x.b.example.org"),
    ]
    return all(
        any(wider.matches(name) and port in wider.open_ports for wider in allowed)
        for name in names
        if rule.matches(name)
        for port in rule.open_ports
    )


def no_variable_is_forwarded_that_was_not(pair: Pair, name: str) -> None:
    own = BASELINE.env_forward_of(name)
    before, after = pair.before.agent(name).env_forward, pair.after.agent(name).env_forward
    allowed = own if before is None else before
    forwarded = own if after is None else after
    assert set(forwarded) <= {*allowed, *intersected(allowed, forwarded)}


def no_switch_is_turned_on(pair: Pair) -> None:
    assert not (pair.after.git.forwards_token and not pair.mine.git.forwards_token)
    assert not (pair.after.git.forwards_ssh_agent and not pair.mine.git.forwards_ssh_agent)
    assert not (pair.mine.review.enabled and not pair.after.review.enabled)
    if pair.mine.workspace.mode is not WorkspaceMode.DIRECT:
        assert pair.after.workspace.mode is not WorkspaceMode.DIRECT


def no_settings_are_carried_that_were_not(pair: Pair, name: str | None) -> None:
    before, after = effective(pair.before, name), effective(pair.after, name)
    for category in (None, *SettingsCategory):
        assert not (after.settings.carries(category) and not before.settings.carries(category))


def mcp_is_not_looser(pair: Pair, name: str) -> None:
    stricter_or_same(profile_of(pair.before, None), profile_of(pair.after, None))
    stricter_or_same(profile_of(pair.before, name), profile_of(pair.after, name))
    assert enabled(pair.before, name) or not enabled(pair.after, name)


def profile_of(config: Config, name: str | None) -> AuthzProfile:
    own = config.agent(name).mcp.authz.profile if name is not None else None
    return own or config.mcp.authz.profile or AuthzProfile.FULL_ACCESS


def enabled(config: Config, name: str) -> bool:
    own = config.agent(name).mcp.enabled
    return config.mcp.enabled is not False if own is None else own


def stricter_or_same(before: AuthzProfile, after: AuthzProfile) -> None:
    if AuthzProfile.CUSTOM in {before, after}:
        # The user's own policies can't be compared: a workspace neither sets nor replaces them.
        assert before is after
    else:
        assert AUTHZ_LOOSEST_LAST.index(after) <= AUTHZ_LOOSEST_LAST.index(before)


def patterns_are_only_added_and_none_negates(pair: Pair) -> None:
    before = pair.mine.review.exclude_patterns or ()
    after = pair.after.review.exclude_patterns or ()
    assert after[: len(before)] == before
    assert not [pattern for pattern in after[len(before) :] if pattern.startswith("!")]


def what_is_not_applied_is_said(pair: Pair) -> None:
    if not pair.merged.widening:
        assert pair.after == pair.trusted.config
    assert not pair.trusted.widening


@settings(max_examples=50)
@given(any_config())
def test_a_workspace_that_says_nothing_changes_nothing(mine: Config) -> None:
    assert merge(mine, Config()).config == alone(mine)


@settings(max_examples=40)
@given(any_config(), any_config())
def test_any_config_can_be_listed(mine: Config, theirs: Config) -> None:
    paths = [path for path, _ in listed(merge(mine, theirs).config)]
    assert len(paths) == len(set(paths))
