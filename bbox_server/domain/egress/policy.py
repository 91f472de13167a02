# SPDX-License-Identifier: Apache-2.0
"""Which connections a profile and its rules allow."""

from collections.abc import Mapping
from dataclasses import dataclass

from bbox_server.domain.egress.event import BlockReason
from bbox_server.domain.egress.group import HostGroup, rules_of
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a policy says of one name and port.

    Attributes:
        reason: Why it is blocked; None where it is allowed.
        rule: The text of the entry that allowed it; empty for permissive's any name.
        allow_private: The name may resolve to private addresses.
    """

    reason: BlockReason | None
    rule: str = ""
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What the guest may reach: the union of all matching entries.

    The reference takes the ports of the first match (compat VM-08), so that a more specific
    entry after a wildcard is lost (P-31).
    """

    profile: EgressProfile
    rules: tuple[HostRule, ...] = ()

    @property
    def is_permissive(self) -> bool:
        """Whether any name and any public address may be reached."""
        return self.profile is EgressProfile.PERMISSIVE

    def knows(self, name: str) -> bool:
        """Whether some port of the name may be reached."""
        return self.is_permissive or any(rule.matches(name) for rule in self.rules)

    def ports(self, name: str) -> tuple[int, ...]:
        """The ports that the rules open for a name, in their order, each once."""
        opened = (rule.open_ports for rule in self.rules if rule.matches(name))
        return tuple(dict.fromkeys(port for ports in opened for port in ports))

    def decide(self, name: str, port: int) -> Verdict:
        """Judge a lower-case name and a TCP port."""
        matching = [rule for rule in self.rules if rule.matches(name)]
        opening = [rule for rule in matching if port in rule.open_ports]
        private = any(rule.allow_private for rule in opening)
        if opening:
            return Verdict(reason=None, rule=str(opening[0]), allow_private=private)
        if self.is_permissive:
            return Verdict(reason=None)
        if matching:
            return Verdict(reason=BlockReason.PORT_NOT_ALLOWED)
        return Verdict(reason=BlockReason.HOST_NOT_IN_PROFILE)


def agent_hosts(
    provider: tuple[HostRule, ...], groups: tuple[HostGroup, ...]
) -> Mapping[EgressProfile, tuple[HostRule, ...]]:
    """An agent's hosts: its providers in locked, and the groups as well in standard (AGT-06)."""
    return {
        EgressProfile.LOCKED: provider,
        EgressProfile.STANDARD: tuple(dict.fromkeys((*provider, *rules_of(groups)))),
    }


def resolve_policy(
    profile: EgressProfile,
    hosts: Mapping[EgressProfile, tuple[HostRule, ...]],
    *,
    has_services: bool = False,
) -> EgressPolicy:
    """The policy of a profile from an agent's hosts (compat EGR-01, EGR-05).

    Args:
        profile: The profile to use.
        hosts: Per profile. Permissive needs none.
        has_services: Some service of the host is declared: then no host at all is a policy too.

    Raises:
        BboxError: egress.invalid-rule, where nothing at all could be reached.
    """
    if profile is EgressProfile.PERMISSIVE:
        return EgressPolicy(profile=profile)
    rules = hosts.get(profile, ())
    if not rules and not has_services:
        raise BboxError(
            ErrorCode.EGRESS_INVALID_RULE,
            cause=f"There are no egress hosts for the profile {profile}.",
            remediation="Name hosts with --allow-host, or choose another --egress-profile.",
        )
    return EgressPolicy(profile=profile, rules=rules)


def with_rules(policy: EgressPolicy, extra: tuple[HostRule, ...]) -> EgressPolicy:
    """The policy with more hosts at its end (compat EGR-02, EGR-03); one twice is the same.

    In permissive only those matter that allow private addresses: names are open already.
    """
    if policy.is_permissive:
        extra = tuple(rule for rule in extra if rule.allow_private)
    return EgressPolicy(profile=policy.profile, rules=(*policy.rules, *extra))
