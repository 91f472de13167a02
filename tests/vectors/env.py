# SPDX-License-Identifier: Apache-2.0
from bbox_server.domain.agent import MemoryShares
from bbox_server.domain.environment import (
    RunFacts,
    assembled,
    forwarded,
    intersected,
    shell_quoted,
    universal,
    validate_patterns,
)
from bbox_server.domain.error import BboxError
from tests.vectors.case import Case, UnknownKindError


def answer(case: Case) -> object:
    match case.kind:
        case "forward":
            return forwarded(case.input["patterns"], case.input["environ"]) or None
        case "validate":
            return {"error": fault(case.input)}
        case "intersect":
            return list(intersected(case.input["global"], case.input["local"]))
        case "universal":
            return universal(facts(case))
        case "heap" | "heap_override":
            return heap(case)
        case "shell_escape":
            return shell_quoted(case.input)
        case _:
            raise UnknownKindError


def accepts(case: Case, answer: object) -> bool:
    """An error is the expected one when it says the same."""
    if case.kind != "validate" or not isinstance(answer, dict):
        return bool(answer == case.expect)
    expected, got = case.expect["error"], answer["error"]
    return got is None if expected is None else got is not None and expected in got


def fault(patterns: list[str]) -> str | None:
    try:
        validate_patterns(patterns)
    except BboxError as error:
        return error.cause
    return None


def facts(case: Case) -> RunFacts:
    given = case.input
    return RunFacts(
        agent=given["agent"],
        workspace=given["workspace"],
        home=given["home"],
        session=given["session"],
        has_git_token=given["git_token"],
        has_ssh_agent=given["ssh_agent"],
        mcp_url=given.get("mcp_url", ""),
        mcp_profile=given.get("mcp_profile") or given.get("mcp_authz_profile") or "full-access",
    )


def heap(case: Case) -> dict[str, str]:
    percent = MemoryShares(
        node_heap=case.input.get("node_percent", 0), go_limit=case.input.get("go_percent", 0)
    )
    return assembled(
        defaults={},
        shares=percent.environment(case.input["memory_mib"]),
        forwarded_variables=forwarded(case.input.get("patterns", []), case.input.get("host", [])),
        authoritative={},
    )
