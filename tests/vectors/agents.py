# SPDX-License-Identifier: Apache-2.0
"""The built-in agents, as the reference's registry has them."""

from typing import Any

from bbox_server.domain.agent import Agent
from bbox_server.domain.egress.group import BUILT_IN_GROUPS, rules_of
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.agents.registry import BuiltinAgents
from tests.vectors.case import Case


def answer(case: Case) -> object:
    agent = BuiltinAgents().get(case.input)
    locked = agent.locked_hosts(frozenset())
    return {
        **_resources(agent),
        "image": str(agent.image),
        "command": list(agent.command),
        "env_forward": list(agent.env_forward),
        "egress_profile": EgressProfile.STANDARD.value,
        "credential_paths": [str(path) for path in agent.credential_paths],
        "locked": _hosts(locked),
        "standard": _hosts((*locked, *rules_of(BUILT_IN_GROUPS))),
    }


def accepts(case: Case, answer: object) -> bool:
    """Ours has more hosts in standard; those of package managers come from the user's machine."""
    if not isinstance(answer, dict):
        return False
    standard = answer.pop("standard")
    expected = dict(case.expect)
    named = [host for host in expected.pop("standard") if not host["name"].startswith("<")]
    return bool(answer == expected) and all(host in standard for host in named)


def _resources(agent: Agent) -> dict[str, Any]:
    return {
        "node_heap_percent": agent.memory.node_heap,
        "go_mem_limit_percent": agent.memory.go_limit,
        "cpus": agent.resources.cpus,
        "memory": agent.resources.memory_mib,
        "tmp_size": agent.resources.tmp_size_mib,
    }


def _hosts(rules: tuple[HostRule, ...]) -> list[dict[str, Any]]:
    return [{"name": rule.name, "ports": list(rule.ports)} for rule in rules]
