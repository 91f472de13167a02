# SPDX-License-Identifier: Apache-2.0
"""`bbox AGENT` and `bbox run`."""

import asyncio
import contextlib
import os
from argparse import Namespace
from typing import Final
from urllib.parse import quote

from bbox_server.domain.agent import agent_name, derive_name
from bbox_server.domain.bytesize import parse_mib
from bbox_server.domain.commit import pending
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.environment import validate_patterns
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import SessionConnection, StartingHost
from bbox_server.domain.image import ImageSource, PullPolicy
from bbox_server.domain.portforward import parse_port_forwards
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.review import Review
from bbox_server.domain.session import AfterRun, ExitStatus, SessionId, SessionState
from bbox_server.domain.terminal import UserTerminal
from bbox_server.domain.trace import spans_of, timing_lines
from bbox_server.entrypoints.cli.attached import AttachedTerminal, size_message
from bbox_server.entrypoints.cli.auth_command import check_login_options
from bbox_server.entrypoints.cli.commit_view import commits_waiting
from bbox_server.entrypoints.cli.config_place import config_file, workspace_of
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.dry_run_view import dry_run_lines
from bbox_server.entrypoints.cli.fan_out import FanOut
from bbox_server.entrypoints.cli.learned_hosts import OPEN_TO_ALL, check_learning, tell_learned
from bbox_server.entrypoints.cli.local_terminal import LocalTerminal
from bbox_server.entrypoints.cli.network_view import summary_lines
from bbox_server.entrypoints.cli.opened_review import OpenedReview
from bbox_server.entrypoints.cli.progress_mode import progress_view
from bbox_server.entrypoints.cli.remote_review import RemoteReview, ask
from bbox_server.entrypoints.cli.review_command import (
    apply_ordinary,
    overview_lines,
    review_interactively,
)
from bbox_server.entrypoints.cli.services import Services
from bbox_server.entrypoints.cli.trust_command import ask_once
from bbox_server.entrypoints.cli.words import split_words
from bbox_server.entrypoints.session_host.requests import run_request
from bbox_server.wire.lifecycle import HowToStop, StopParams
from bbox_server.wire.peer import failure_error
from bbox_server.wire.reading import exit_of
from bbox_server.wire.review_request import SessionParams
from bbox_server.wire.run import RunOptions, RunParams
from bbox_server.wire.run_plan import run_plan_message
from bbox_server.wire.session import ExitMessage, OutcomeMessage, SessionMessage

# 128 + the signal's number, as shells say it (compat CLI-23)
SIGNAL_CODES: Final = {"HUP": 129, "INT": 130, "QUIT": 131, "ABRT": 134, "KILL": 137, "SEGV": 139}
TERM_CODE: Final = 143
AFTER: Final = {AfterRun.ASK: "ask", AfterRun.REVIEW: "review", AfterRun.APPLY: "auto"}
LOCAL_IMAGES: Final = {ImageSource.OCI_LAYOUT, ImageSource.DOCKER_ARCHIVE}
HINTS: Final = {
    "KILL": "the agent was killed; if memory ran out, give it more: --memory 8g",
    "SEGV": "the agent crashed (segmentation fault)",
    "ABRT": "the agent aborted",
}


async def run(
    values: Namespace, services: Services, console: Console, host: StartingHost | None = None
) -> int:
    """Run, then end as the user wants it; returns the exit code (compat CLI-22)."""
    terminal = LocalTerminal(input_fd=0, output_fd=1, error_fd=2)
    params = _params(values, services, terminal)
    _tell_kind(params, values, console)
    if values.dry_run:
        with progress_view(values.progress, console) as progress:
            return await _dry_run(params, values, services, console, progress)
    ask_once(values, services, console)
    async with host or services.gateway().start() as connection:
        with progress_view(values.progress, console) as progress:
            await ask(connection, "bbox/run", params, SessionMessage)
            attached = AttachedTerminal(
                connection=connection, terminal=terminal, progress=progress, note=console.note
            )
            ended = await follow(attached, connection, terminal, console)
        status = exit_of(ended.exit)
        _tell_exit(status, console)
        review = RemoteReview(connection)
        outcome = await _outcome(ended, review)
        _tell_blocked(connection.session, services, console)
        if values.learn:
            tell_learned(connection.session, values, services, console)
        code = await _end(ended, values, services, console, review)
    if values.timings:
        spans = spans_of(services.logs.events(connection.session))
        console.note("\n".join(("Timing summary:", *timing_lines(spans))))
    if trace := services.logs.trace(connection.session):
        console.note(f"Trace output: {trace}")
    if values.json:
        console.say(outcome.to_json())
    return exit_code(status) or code


def _tell_kind(params: RunParams, values: Namespace, console: Console) -> None:
    """What of a run is not as with an agent that is known."""
    if params.options.name is not None:
        hint = "" if values.name else " (from the image's name; --name chooses another)"
        console.note(f"Agent: {params.options.name}{hint}")
    if values.learn:
        console.note(OPEN_TO_ALL)


def _tell_blocked(session: SessionId, services: Services, console: Console) -> None:
    if lines := summary_lines(services.logs.events(session)):
        console.note("\n".join(lines))


async def _dry_run(
    params: RunParams,
    values: Namespace,
    services: Services,
    console: Console,
    progress: ProgressObserver,
) -> int:
    plan = await services.plan(progress)(run_request(params, dict(services.environ)))
    request = plan.request
    message = run_plan_message(plan.name, plan.image, request.workspace, plan.launch)
    if values.json:
        console.say(message.to_json(indent=2))
        return 0
    for line in dry_run_lines(message):
        console.say(line)
    return 0


async def attach(values: Namespace, services: Services, console: Console) -> int:
    """Come back to a session that runs."""
    record = services.find(values.session, services.directory)
    if not record.held:
        raise BboxError(
            ErrorCode.SESSION_STATE,
            cause=f"Session {record.id} does not run any more.",
            remediation=f"Decide on what it changed: bbox review {record.id}",
        )
    terminal = LocalTerminal(input_fd=0, output_fd=1, error_fd=2)
    async with services.gateway().connect(record.id) as connection:
        attached = AttachedTerminal(
            connection=connection,
            terminal=terminal,
            progress=FanOut(observers=()),
            note=console.note,
        )
        ended = await follow(attached, connection, terminal, console)
    console.note(f"The agent has ended. Go on with: bbox review {record.id}")
    return exit_code(exit_of(ended.exit))


async def stop(values: Namespace, services: Services, console: Console) -> int:
    """End a session's agent and microVM; its changes wait for review."""
    record = services.find(values.session, services.directory)
    if record.held:
        params = StopParams(
            session=record.id, mode=HowToStop.NOW if values.now else HowToStop.GRACEFUL
        )
        async with services.gateway().connect(record.id) as connection:
            await ask(connection, "bbox/sessions/stop", params, SessionMessage)
    console.say(f"Session {record.id} does not run. Go on with: bbox review {record.id}")
    return 0


async def follow(
    attached: AttachedTerminal,
    connection: SessionConnection,
    terminal: UserTerminal,
    console: Console,
) -> SessionMessage:
    """See a run to its end. Raises: how it failed."""
    has_terminal = terminal.size() is not None  # asked now: a closed window has no size
    try:
        await attached()
    except asyncio.CancelledError:
        if attached.has_started and has_terminal:
            # The terminal is gone, or bbox is told to go: the agent works on.
            session = connection.session
            with contextlib.suppress(OSError):
                console.note(
                    f"Session {session} goes on: bbox attach {session}, bbox stop {session}"
                )
        else:
            await attached.stop(HowToStop.GRACEFUL if attached.has_started else HowToStop.NOW)
        raise
    params = SessionParams(session=connection.session)
    ended = await ask(connection, "bbox/sessions/get", params, SessionMessage)
    if ended.failure is not None:
        raise failure_error(ended.failure)
    return ended


async def _outcome(ended: SessionMessage, review: RemoteReview) -> OutcomeMessage:
    items = Review(revision=0, items=())
    if ended.state is not SessionState.DONE:
        items = await review.changes.list()
    return OutcomeMessage(
        session=ended.id,
        exit=ended.exit or ExitMessage(),
        changes=len(items.flushable),
        withheld=len(items.withheld),
        commits=sum(branch.commit_count for branch in pending(items.branches)),
    )


def exit_code(status: ExitStatus) -> int:
    """The agent's own code, or 128 + the number of its signal."""
    if status.code is not None:
        return status.code
    return SIGNAL_CODES.get(status.signal or "", TERM_CODE if status.signal == "TERM" else 1)


def _params(values: Namespace, services: Services, terminal: UserTerminal) -> RunParams:
    if values.agent is None and not values.image:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="Neither an agent nor an image is named.",
            remediation="`bbox list` shows the agents; or `bbox run --image REF -- COMMAND`.",
        )
    check_login_options(values)
    _check_mode(values)
    env_forward, allow_hosts = split_words(values.env_forward), split_words(values.allow_host)
    validate_patterns(env_forward)
    for text in allow_hosts:
        parse_host_rule(text)
    parse_port_forwards(values.port)
    if values.learn:
        check_learning(values)
        values.egress_profile = EgressProfile.PERMISSIVE
    return RunParams(
        workspace_uri=_workspace_uri(values.workspace, services),
        agent=values.agent,
        image=_image(values.image, services),
        args=tuple(values.args),
        options=RunOptions(
            program=values.exec,
            ask=values.ask,
            env_forward=env_forward,
            cpus=_cpus(values.cpus),
            memory_mib=parse_mib(values.memory) or None,
            tmp_size_mib=parse_mib(values.tmp_size) or None,
            egress_profile=EgressProfile(values.egress_profile) if values.egress_profile else None,
            allow_hosts=allow_hosts,
            config_file=config_file(values, services),
            git_token=values.git_token,
            git_ssh_agent=values.git_ssh_agent,
            save_login=values.save_login,
            seed_login=values.seed_login,
            log_in=values.log_in,
            workspace_mode=WorkspaceMode(values.workspace_mode) if values.workspace_mode else None,
            acknowledge_direct=values.yes,
            trace=values.trace,
            excludes=split_words(values.exclude),
            ports=tuple(values.port),
            import_settings=not values.no_settings,
            pull=PullPolicy(values.pull) if values.pull else None,
            image_cache=not values.no_image_cache,
            name=_name(values),
        ),
        terminal=size_message(terminal.size()),
    )


def _name(values: Namespace) -> str | None:
    """Of a run of an image (compat CLI-72). Raises: agent.invalid-name."""
    if values.command != "run-image":
        return None
    return agent_name(values.name or derive_name(values.image))


def _check_mode(values: Namespace) -> None:
    """Compat CLI-14: what can't be reviewed is not promised to be."""
    if values.workspace_mode == WorkspaceMode.DIRECT and values.review in {"review", "auto"}:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="In direct mode there is nothing to review or to accept.",
            remediation="Leave out --review and --auto-accept, or --workspace-mode direct.",
        )


def _cpus(count: int) -> int | None:
    if count < 0:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause=f"--cpus is {count}.",
            remediation="Give a number of 1 or more, or leave it out.",
        )
    return count or None


def _workspace_uri(given: str | None, services: Services) -> str:
    return f"file://{quote(os.fsencode(workspace_of(given, services)))}"


def _image(given: str | None, services: Services) -> str | None:
    """The image; a relative path of a layout or an archive is this process's, not the host's."""
    prefix, _, path = (given or "").partition(":")
    if prefix not in LOCAL_IMAGES or not path or path.startswith("/"):
        return given
    return f"{prefix}:{os.path.join(services.directory, path)}"  # noqa: PTH118 (as the user wrote it)


def _tell_exit(status: ExitStatus, console: Console) -> None:
    if status.out_of_memory:
        hint = "the guest ran out of memory and ended the agent; give it more: --memory 8g"
    else:
        hint = HINTS.get(status.signal or "", "")
    if hint:
        console.note(f"Session ended unexpectedly: {hint}")


async def _end(
    ended: SessionMessage,
    values: Namespace,
    services: Services,
    console: Console,
    review: OpenedReview,
) -> int:
    if ended.state is SessionState.DONE:
        direct = "Direct mode: what the agent changed is in the workspace."
        console.note(direct if ended.generation is None else "No workspace changes detected.")
        return 0
    listed = await review.changes.list()
    choice = values.review if values.review != "ask" else AFTER[ended.after]
    if choice == "ask":
        choice = _ask(listed, console) if console.interactive else "later"
    if choice == "auto":
        return await apply_ordinary(review, console)
    if choice == "review" and console.interactive:
        return await review_interactively(review, services.desk, console)
    console.note(
        f"{len(listed.flushable)} changes wait for review ({len(listed.withheld)} withheld)"
        f"{commits_waiting(listed.branches)}. "
        f"Go on with: bbox review {ended.id}"
    )
    return 0


def _ask(listed: Review, console: Console) -> str:
    console.say()
    for line in overview_lines(listed, console):
        console.say(line)
    console.say()
    answer = console.ask(
        f"{console.style.bold('Apply all ordinary changes, review, or later?')} "
        f"[a]pply / [r]eview / [l]ater (later): "
    )
    return {"a": "auto", "apply": "auto", "r": "review", "review": "review"}.get(
        (answer or "").lower(), "later"
    )
