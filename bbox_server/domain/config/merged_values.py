# SPDX-License-Identifier: Apache-2.0
"""What several sections have: numbers, switches, profiles, hosts, settings categories."""

from collections.abc import Callable
from typing import Final

from bbox_server.domain.config.mcp_section import AuthzProfile, McpAuthz
from bbox_server.domain.config.narrowing import Narrowing, position_in
from bbox_server.domain.config.problem import KeyPath
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.settings import SettingsCategory, SettingsImport

LOOSEST_LAST: Final = (EgressProfile.LOCKED, EgressProfile.STANDARD, EgressProfile.PERMISSIVE)
AUTHZ_LOOSEST_LAST: Final = (
    AuthzProfile.OBSERVE,
    AuthzProfile.SAFE_TOOLS,
    AuthzProfile.FULL_ACCESS,
)

Hosts = tuple[HostRule, ...]


def merged_number(
    merge: Narrowing,
    path: KeyPath,
    pair: tuple[int | None, int | None],
    *,
    base: int,
    limit: int,
) -> int | None:
    """A resource: a workspace takes less, or asks."""
    merged = merge.ordered(path, pair, base=base, width=float)
    return merge.clamped(path, merged, limit)


def merged_switch(
    merge: Narrowing, path: KeyPath, pair: tuple[bool | None, bool | None], *, base: bool
) -> bool | None:
    """Something that lets through when it is on: a workspace turns it off, or asks."""
    return merge.ordered(path, pair, base=base, width=float)


def merged_profile(
    merge: Narrowing,
    path: KeyPath,
    pair: tuple[EgressProfile | None, EgressProfile | None],
    *,
    base: EgressProfile,
) -> EgressProfile | None:
    """The stricter of two profiles (compat CFG-23)."""
    return merge.ordered(path, pair, base=base, width=position_in(LOOSEST_LAST))


def merged_authz(
    merge: Narrowing,
    path: KeyPath,
    pair: tuple[AuthzProfile | None, AuthzProfile | None],
    *,
    base: AuthzProfile,
) -> McpAuthz:
    """The stricter of two; the user's own policies are neither (compat CFG-32)."""
    mine, theirs = pair
    if AuthzProfile.CUSTOM in {mine or base, theirs}:
        return McpAuthz(profile=merge.refused(path, mine, theirs))
    profile = merge.ordered(path, pair, base=base, width=position_in(AUTHZ_LOOSEST_LAST))
    return McpAuthz(profile=profile)


def merged_hosts(
    merge: Narrowing, path: KeyPath, pair: tuple[Hosts | None, Hosts | None], *, also: Hosts
) -> Hosts | None:
    """The user's hosts; a workspace's that they don't cover have to be asked for.

    Args:
        merge: The merge.
        path: The list's.
        pair: The user's and the workspace's.
        also: Hosts that the user allows elsewhere.
    """
    widens = _beyond((*(pair[0] or ()), *also))
    return merge.appended(path, pair, widens=widens, adds="allows", tightens=False)


def _beyond(allowed: Hosts) -> Callable[[HostRule], bool]:
    def widens(rule: HostRule) -> bool:
        return not any(_covers(wider, rule) for wider in allowed)

    return widens


def _covers(wider: HostRule, narrower: HostRule) -> bool:
    is_named = wider.name == narrower.name or wider.matches(narrower.name.removeprefix("*."))
    opens = set(wider.open_ports) >= set(narrower.open_ports)
    return is_named and opens and (wider.allow_private or not narrower.allow_private)


def merged_settings(
    merge: Narrowing, path: KeyPath, mine: SettingsImport, theirs: SettingsImport
) -> SettingsImport:
    """Categories that are off stay off (compat CFG-29)."""
    enabled = merged_switch(merge, (*path, "enabled"), (mine.enabled, theirs.enabled), base=True)
    categories: dict[SettingsCategory, bool] = {}
    for category in SettingsCategory:
        held = mine.categories.get(category)
        wanted = theirs.categories.get(category)
        # "On" is what holds anyway where the user says nothing.
        pair = (held, None if wanted and held is None else wanted)
        merged = merged_switch(merge, (*path, "categories", category.value), pair, base=True)
        if merged is not None:
            categories[category] = merged
    return SettingsImport(enabled=enabled, categories=categories)
