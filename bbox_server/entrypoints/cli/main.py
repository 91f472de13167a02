# SPDX-License-Identifier: Apache-2.0
"""The bbox command: one command line in, one exit code out."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bbox_server.domain.error import BboxError, first_error
from bbox_server.domain.gateway import StartingHost
from bbox_server.entrypoints.cli.arguments import RUNS, CommandLine, parse
from bbox_server.entrypoints.cli.console import Console

FAILED: Final = 1
# What shells add to a signal's number.
SIGNALLED: Final = 128

# A command, the user's screen, and for a run the host that was started: the exit code.
Command = Callable[[CommandLine, Console, StartingHost | None], Awaitable[int]]


def main(
    argv: Sequence[str],
    *,
    version: Callable[[], str],
    start_host: Callable[[], StartingHost],
    run: Command,
    console: Console,
) -> int:
    """Run one command (compat CLI-02: a failure is printed once, exit code 1)."""
    json_wanted = "--json" in argv
    try:
        line = parse(argv, version)
        # A session's host takes half a second to load, and so does what this process needs.
        runs = line.command in RUNS and not line.values.dry_run
        host = start_host() if runs else None
        return asyncio.run(_run(run(line, console, host), line, console))
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


async def _run(command: Awaitable[int], line: CommandLine, console: Console) -> int:
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
        return await command
    except asyncio.CancelledError:
        if not received:
            raise
        return _interrupted(received[0], console)


def _interrupted(number: signal.Signals, console: Console) -> int:
    with contextlib.suppress(OSError):  # the terminal may be what is gone
        console.note("Interrupted. `bbox sessions` shows what waits for review.")
    return SIGNALLED + number


def _fail(error: BboxError, console: Console, *, as_json: bool) -> int:
    from bbox_server.entrypoints.cli.failure import as_text, failure_of

    failure = failure_of(error)
    if as_json:
        from bbox_server.wire.session import ErrorMessage, failure_message

        console.say(ErrorMessage(error=failure_message(failure)).to_json(indent=2))
    console.error.write(as_text(failure, console.style))
    return FAILED
