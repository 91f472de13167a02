# SPDX-License-Identifier: Apache-2.0
"""`bbox AGENT` and `bbox run`."""

import os
from argparse import Namespace
from typing import Final

from bbox_server.application.run_agent import RunOutcome
from bbox_server.domain.bytesize import parse_mib
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.environment import validate_patterns
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.run import ResourceRequest, RunRequest
from bbox_server.domain.session import ExitStatus, SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.changes_view import summary_lines
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.fan_out import FanOut
from bbox_server.entrypoints.cli.local_terminal import LocalTerminal
from bbox_server.entrypoints.cli.progress import ProgressLines
from bbox_server.entrypoints.cli.review_command import apply_ordinary, review_interactively
from bbox_server.entrypoints.cli.services import Services

# 128 + the signal's number, as shells say it (compat CLI-23)
SIGNAL_CODES: Final = {"HUP": 129, "INT": 130, "QUIT": 131, "ABRT": 134, "KILL": 137, "SEGV": 139}
TERM_CODE: Final = 143
HINTS: Final = {
    "KILL": "the agent was killed; if memory ran out, give it more: --memory 8g",
    "SEGV": "the agent crashed (segmentation fault)",
    "ABRT": "the agent aborted",
}


async def run(values: Namespace, services: Services, console: Console) -> int:
    """Run, then end as the user wants it; returns the exit code (compat CLI-22)."""
    request = _request(values, services)
    log = services.run_log()
    progress = FanOut(
        observers=(
            ProgressLines(stream=console.error, style=console.style, live=console.error.isatty()),
            log,
        )
    )
    terminal = LocalTerminal(input_fd=0, output_fd=1, error_fd=2)
    outcome = await services.run(terminal, progress)(request)
    _tell_exit(outcome.exit, console)
    code = await _end(outcome, values, services, console)
    if values.timings:
        console.note("\n".join(("Timing summary:", *log.timings())))
    if values.trace:
        console.note(f"Trace output: {log.export(outcome.session)}")
    return exit_code(outcome.exit) or code


def exit_code(status: ExitStatus) -> int:
    """The agent's own code, or 128 + the number of its signal."""
    if status.code is not None:
        return status.code
    return SIGNAL_CODES.get(status.signal or "", TERM_CODE if status.signal == "TERM" else 1)


def _request(values: Namespace, services: Services) -> RunRequest:
    if values.agent is None and not values.image:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="Neither an agent nor an image is named.",
            remediation="`bbox list` shows the agents; or `bbox run --image REF -- COMMAND`.",
        )
    env_forward = _words(values.env_forward)
    validate_patterns(env_forward)
    return RunRequest(
        agent=values.agent,
        image=values.image or "",
        program=values.exec,
        arguments=tuple(values.args),
        workspace=_workspace(values.workspace, services),
        environ=services.environ,
        env_forward=env_forward,
        resources=ResourceRequest(
            cpus=_cpus(values.cpus),
            memory_mib=parse_mib(values.memory) or None,
            tmp_size_mib=parse_mib(values.tmp_size) or None,
        ),
        egress_profile=EgressProfile(values.egress_profile) if values.egress_profile else None,
        allow_hosts=tuple(parse_host_rule(text) for text in _words(values.allow_host)),
        excludes=_words(values.exclude),
    )


def _cpus(count: int) -> int | None:
    if count < 0:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"--cpus is {count}.",
            remediation="Give a number of 1 or more, or leave it out.",
        )
    return min(count, os.cpu_count() or 1) or None


def _workspace(given: str | None, services: Services) -> HostPath:
    path = os.path.realpath(os.path.join(services.directory, given or "."))  # noqa: PTH118 (bytes that are no UTF-8 stay)
    return HostPath(path)


def _words(values: list[str]) -> tuple[str, ...]:
    """Repeatable and comma-splitting, as the flags of compat CLI-05 are."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def _tell_exit(status: ExitStatus, console: Console) -> None:
    if status.out_of_memory:
        hint = "the guest ran out of memory and ended the agent; give it more: --memory 8g"
    else:
        hint = HINTS.get(status.signal or "", "")
    if hint:
        console.note(f"Session ended unexpectedly: {hint}")


async def _end(outcome: RunOutcome, values: Namespace, services: Services, console: Console) -> int:
    if not outcome.changes.changes:
        console.note("No workspace changes detected.")
        return 0
    session = outcome.session
    choice = values.review
    if choice == "ask":
        choice = await _ask(session, services, console) if console.interactive else "later"
    async with services.review()(session) as review:
        if choice == "auto":
            return await apply_ordinary(review, console)
        if choice == "review" and console.interactive:
            return await review_interactively(review, services.desk, console)
    flushable, withheld = len(outcome.changes.flushable), len(outcome.changes.withheld)
    console.note(
        f"{flushable} changes wait for review ({withheld} withheld). "
        f"Go on with: bbox review {session}"
    )
    return 0


async def _ask(session: SessionId, services: Services, console: Console) -> str:
    async with services.review()(session) as review:
        listed = await review.changes.list()
    console.say()
    for line in summary_lines(listed, console.style):
        console.say(line)
    console.say()
    answer = console.ask(
        f"{console.style.bold('Apply all ordinary changes, review, or later?')} "
        f"[a]pply / [r]eview / [l]ater (later): "
    )
    return {"a": "auto", "apply": "auto", "r": "review", "review": "review"}.get(
        (answer or "").lower(), "later"
    )
