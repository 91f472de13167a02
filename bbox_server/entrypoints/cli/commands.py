# SPDX-License-Identifier: Apache-2.0
"""The commands by their names."""

from argparse import Namespace
from collections.abc import Awaitable, Callable
from typing import Final

from bbox_server.domain.gateway import StartingHost
from bbox_server.entrypoints.cli import (
    agents_command,
    auth_command,
    cache_command,
    config_command,
    machine_commands,
    network_command,
    review_command,
    session_commands,
    trust_command,
    why_command,
)
from bbox_server.entrypoints.cli.arguments import RUNS, CommandLine
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.services import Services

Command = Callable[[Namespace, Services, Console], Awaitable[int]]


COMMANDS: Final[dict[str, Command]] = {
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
    "agents": agents_command.agents,
    "auth": auth_command.auth,
    "cache": cache_command.cache,
    "doctor": machine_commands.doctor,
    "why": why_command.why,
}


async def run_command(
    line: CommandLine, services: Services, console: Console, host: StartingHost | None
) -> int:
    """Do what was asked for; the exit code. A run comes with the host that it started."""
    if line.command in COMMANDS:
        return await COMMANDS[line.command](line.values, services, console)
    # Here, because what talks to no host does not pay for pydantic.
    from bbox_server.entrypoints.cli import run_command as running

    if line.command in RUNS:
        return await running.run(line.values, services, console, host)
    commands = {"attach": running.attach, "stop": running.stop}
    return await commands[line.command](line.values, services, console)
