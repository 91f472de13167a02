# SPDX-License-Identifier: Apache-2.0
"""Answers the cases of egress.yaml with our own rules."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bbox_server.domain.egress.policy import EgressPolicy, resolve_policy, with_rules
from bbox_server.domain.egress.profile import EgressProfile, parse_profile, stricter
from bbox_server.domain.egress.rule import HostRule, host_rule, parse_host_rule
from bbox_server.domain.error import BboxError
from tests.vectors.case import Case, UnknownKindError

Values = Mapping[str, Any]


def answer(case: Case) -> object:
    """What ours says: the same shapes as the reference's, or an error with our words."""
    kind = _KINDS.get(case.kind)
    if kind is None:
        raise UnknownKindError(case.kind)
    try:
        return kind(case.input)
    except BboxError as error:
        return {"error": error.cause}


def accepts(case: Case, answer: object) -> bool:
    """Errors are compared by their presence: the words are ours."""
    if isinstance(case.expect, dict) and "error" in case.expect:
        return isinstance(answer, dict) and "error" in answer
    return bool(answer == case.expect)


def _rules(entries: list[Any]) -> tuple[HostRule, ...]:
    return tuple(
        host_rule(entry["name"], tuple(entry.get("ports") or ()))
        if isinstance(entry, dict)
        else host_rule(entry)
        for entry in entries
    )


def _shown(policy: EgressPolicy) -> dict[str, Any]:
    return {"policy": None if policy.is_permissive else [rule.name for rule in policy.rules]}


def _parse(text: str) -> dict[str, Any]:
    rule = parse_host_rule(text)
    return {"host": {"name": rule.name, "ports": list(rule.ports), "protocol": 0}}


def _resolve(values: Values) -> dict[str, Any]:
    profile = parse_profile(values["profile"])
    hosts = {
        EgressProfile(name): _rules(entries) for name, entries in (values["hosts"] or {}).items()
    }
    has_services = values.get("mcp_mode") in {"env", "config"}
    return _shown(resolve_policy(profile, hosts, has_services=has_services))


def _merge(values: Values) -> dict[str, Any]:
    base = values["base"]
    profile = EgressProfile.PERMISSIVE if base is None else EgressProfile.STANDARD
    policy = EgressPolicy(profile=profile, rules=_rules(base or []))
    return _shown(with_rules(policy, _rules(values["extra"])))


def _policy(values: Values) -> EgressPolicy:
    return EgressPolicy(profile=EgressProfile.STANDARD, rules=_rules(values["hosts"]))


def _is_allowed(values: Values) -> bool:
    return _policy(values).knows(values["query"].lower().removesuffix("."))


def _ports(values: Values) -> dict[str, list[int]]:
    return {"ports": list(_policy(values).ports(values["query"]))}


def _no_learned_addresses(_: object) -> None:
    """A name has one made-up address: none is learned from an answer, and none expires."""


def _boot_wildcard(name: str) -> dict[str, bool]:
    host_rule(name)
    return {"ok": True}


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "parse": _parse,
    "resolve": _resolve,
    "proxy_only": _resolve,
    "merge": _merge,
    "stricter": lambda pair: stricter(*pair),
    "dns_allowed": _is_allowed,
    "boot_wildcard": _boot_wildcard,
    "effective_ports_first_match": _ports,
    "rule_ttl_seconds": _no_learned_addresses,
}
