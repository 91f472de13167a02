# SPDX-License-Identifier: Apache-2.0
"""The bbox command: one command line in, one exit code out."""

import asyncio
import contextlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bbox_server.domain.error import BboxError, first_error
from bbox_server.entrypoints.cli import (
    auth_command,
    config_command,
    machine_commands,
    network_command,
    review_command,
    session_commands,
    trust_command,
    why_command,
)
from bbox_server.entrypoints.cli.arguments import CommandLine, parse
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.failure import as_text, failure_of
from bbox_server.entrypoints.cli.services import Services

FAILED: Final = 1
# What shells add to a signal's number.
SIGNALLED: Final = 128

Command = Callable[[Namespace, Services, Console], Awaitable[int]]


async def _run_command(values: Namespace, services: Services, console: Console) -> int:
    # pydantic takes a third of a second: what talks to no host does not pay for it.
    from bbox_server.entrypoints.cli import run_command

    commands = {"attach": run_command.attach, "stop": run_command.stop}
    return await commands.get(values.command, run_command.run)(values, services, console)


COMMANDS: Final[dict[str, Command]] = {
    "run": _run_command,
    "attach": _run_command,
    "stop": _run_command,
    "review": review_command.review,
    "flush": review_command.flush,
    "undo": review_command.undo,
    "diff": session_commands.diff,
    "discard": session_commands.discard,
    "sessions": session_commands.sessions,
    "logs": session_commands.logs,
    "network": network_command.network,
    "config": config_command.config,
    "trust": trust_command.trust,
    "list": machine_commands.list_agents,
    "auth": auth_command.auth,
    "doctor": machine_commands.doctor,
    "why": why_command.why,
}


def main(
    argv: Sequence[str], *, version: str, services: Callable[[], Services], console: Console
) -> int:
    """Run one command (compat CLI-02: a failure is printed once, exit code 1)."""
    json_wanted = "--json" in argv
    try:
        line = parse(argv, version)
        return asyncio.run(_run(line, services(), console))
    except BboxError as error:
        return _fail(error, console, as_json=json_wanted)
    except ExceptionGroup as group:
        found = first_error(group)
        if found is None:
            raise
        return _fail(found, console, as_json=json_wanted)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _interrupted(signal.SIGINT, console)
    except BrokenPipeError:
        # `bbox diff | head`: what is buffered still has nowhere to go when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SIGNALLED + signal.SIGPIPE


async def _run(line: CommandLine, services: Services, console: Console) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (asyncio.run always has one)
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    # A hang-up or a kill ends the run as Ctrl-C does: VM stopped, terminal restored, work kept.
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    line.values.command = line.command
    try:
        return await COMMANDS[line.command](line.values, services, console)
    except asyncio.CancelledError:
        if not received:
            raise
        return _interrupted(received[0], console)


def _interrupted(number: signal.Signals, console: Console) -> int:
    with contextlib.suppress(OSError):  # the terminal may be what is gone
        console.note("Interrupted. `bbox sessions` shows what waits for review.")
    return SIGNALLED + number


def _fail(error: BboxError, console: Console, *, as_json: bool) -> int:
    failure = failure_of(error)
    if as_json:
        from bbox_server.wire.session import ErrorMessage, failure_message

        console.say(ErrorMessage(error=failure_message(failure)).to_json(indent=2))
    console.error.write(as_text(failure, console.style))
    return FAILED
