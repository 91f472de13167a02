# SPDX-License-Identifier: Apache-2.0
import asyncio
import re
from collections.abc import Callable
from typing import Final

from bbox_server.domain.change import EntryKind
from bbox_server.domain.error import BboxError
from bbox_server.domain.portforward import parse_port_forwards
from bbox_server.domain.session import ExitStatus
from bbox_server.entrypoints.cli.run_command import exit_code
from tests.vectors import clone, flush, review
from tests.vectors.case import Case, UnknownKindError
from tests.vectors.trees import listed


def answer(case: Case) -> object:
    if case.kind not in ANSWERS:
        raise UnknownKindError
    return ANSWERS[case.kind](case)


def difference(case: Case) -> object:
    """The changes in the reference's words: it knows no renames, and no changes of type."""
    rows: list[list[str]] = []
    for change in listed(case.input["original"], case.input["snapshot"]):
        if change.old_path is not None:
            rows += [[str(change.old_path), "deleted"], [str(change.path), "added"]]
        elif change.agent is not None and change.agent.kind is EntryKind.DIRECTORY:
            rows += [[str(change.path), "deleted"]] if change.baseline else []
        else:
            rows.append([str(change.path), change.kind.value])
    return sorted(rows)


def accepts(case: Case, answer: object) -> bool:
    """Of an error it counts that there is one; of everything else that it is the same."""
    if isinstance(answer, dict) and isinstance(case.expect, dict) and case.kind == "flush":
        if "error" in case.expect and "applied" not in case.expect:
            return "error" in answer
        return all(answer.get(key) == value for key, value in case.expect.items())
    return bool(answer == case.expect)


def exit_status(text: str) -> ExitStatus:
    code = re.search(r"code (\d+)", text)
    name = re.search(r"(?:^|(?<!no )\b)signal (?:SIG)?([A-Z]+)", text)
    return ExitStatus(
        code=int(code[1]) if code and not name else None, signal=name[1] if name else None
    )


def forwarded(words: list[str]) -> object:
    try:
        return [[each.host_port, each.guest_port] for each in parse_port_forwards(words)]
    except BboxError:
        return "error"


ANSWERS: Final[dict[str, Callable[[Case], object]]] = {
    "diff": difference,
    "difftext": lambda case: asyncio.run(review.shown(case.input)),
    "flush": lambda case: asyncio.run(flush.answer(case)),
    "clone": lambda case: asyncio.run(clone.answer(case.input)),
    "review": lambda case: asyncio.run(review.decided(case.input["files"], case.input["stdin"])),
    "auto_review": lambda case: asyncio.run(review.accepted_unasked(case.input)),
    "exit": lambda case: exit_code(exit_status(case.input)),
    "port_flag": lambda case: forwarded(case.input),
}
