# SPDX-License-Identifier: Apache-2.0
"""Answers the cases of egress.yaml with our own rules."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from bbox_server.domain.egress.policy import EgressPolicy, resolve_policy, with_rules
from bbox_server.domain.egress.profile import EgressProfile, parse_profile, stricter
from bbox_server.domain.egress.rule import HostRule, host_rule, parse_host_rule
from bbox_server.domain.error import BboxError

Case = Mapping[str, Any]

DIFFERENT_KINDS: Final = {
    "effective_ports_first_match": "all matching entries count, not the first alone (P-31)",
    "rule_ttl_seconds": "a name has one made-up address: no addresses are learned, none expire",
}


def check_egress(case: Case) -> Any:  # noqa: ANN401 - compared with a case's `expect`
    """What ours answers. Errors are compared by their presence: the words are ours."""
    try:
        return _KINDS[case["kind"]](case["input"])
    except BboxError as error:
        expected = case["expect"]
        has_error = isinstance(expected, dict) and "error" in expected
        return expected if has_error else {"error": error.cause}


def why_different(case: Case) -> str | None:
    """Why ours departs from the reference in this case, on purpose; None where it must not."""
    if case["kind"] in DIFFERENT_KINDS:
        return DIFFERENT_KINDS[case["kind"]]
    is_wide = case["kind"] == "parse" and _is_top_level_wildcard(str(case["input"]))
    return (
        "`*.tld` is refused when it is written, not when the VM starts (P-31)" if is_wide else None
    )


def _is_top_level_wildcard(text: str) -> bool:
    name = text.strip().partition(":")[0]
    return name.startswith("*.") and "." not in name[2:] and bool(name[2:])


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


def _resolve(values: Case) -> dict[str, Any]:
    profile = parse_profile(values["profile"])
    hosts = {
        EgressProfile(name): _rules(entries) for name, entries in (values["hosts"] or {}).items()
    }
    has_services = values.get("mcp_mode") in {"env", "config"}
    return _shown(resolve_policy(profile, hosts, has_services=has_services))


def _merge(values: Case) -> dict[str, Any]:
    base = values["base"]
    profile = EgressProfile.PERMISSIVE if base is None else EgressProfile.STANDARD
    policy = EgressPolicy(profile=profile, rules=_rules(base or []))
    return _shown(with_rules(policy, _rules(values["extra"])))


def _policy(values: Case) -> EgressPolicy:
    return EgressPolicy(profile=EgressProfile.STANDARD, rules=_rules(values["hosts"]))


def _boot_wildcard(name: str) -> dict[str, bool]:
    host_rule(name)
    return {"ok": True}


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "parse": _parse,
    "resolve": _resolve,
    "proxy_only": _resolve,
    "merge": _merge,
    "stricter": lambda pair: stricter(*pair),
    "dns_allowed": lambda values: _policy(values).knows(values["query"].lower().rstrip(".")),
    "boot_wildcard": _boot_wildcard,
    "effective_ports_first_match": lambda values: {
        "ports": list(_policy(values).ports(values["query"]))
    },
    "rule_ttl_seconds": lambda _: None,
}
