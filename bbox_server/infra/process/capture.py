# SPDX-License-Identifier: Apache-2.0
"""Short-lived child processes: run to their end, output in hand."""

import asyncio
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable

OUTPUT_LIMIT_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A child that has ended.

    Attributes:
        exit_code: Negative is the number of the signal that ended it.
        output: All of its standard output.
        errors: The last 16 KiB of its standard error.
    """

    program: str
    exit_code: int
    output: bytes
    errors: bytes

    def check(self) -> "Completed":
        """Itself, when the exit code is 0.

        Raises:
            BboxError: process.failed, with the last line of its standard error.
        """
        if self.exit_code == 0:
            return self
        lines = self.errors.strip().splitlines()
        said = f": {printable(lines[-1])}" if lines else "."
        raise BboxError(
            ErrorCode.PROCESS_FAILED,
            cause=f"{self.program} ended with {_outcome(self.exit_code)}{said}",
            remediation="Run the command again; `bbox doctor` tells what is missing.",
        )


async def run(command: Command, *, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> Completed:
    """Run to the end. The caller sets the deadline, with asyncio.timeout.

    Raises:
        BboxError: dependency.missing; process.failed when the output is over the limit.
    """
    async with spawn(command) as child:
        output = await _all_output(child, command.program, limit_bytes)
        exit_code = await child.wait()
        child.errors.close()
        return Completed(
            program=command.program,
            exit_code=exit_code,
            output=output,
            errors=child.errors.content(),
        )


def run_blocking(
    command: Command, *, timeout_s: float, limit_bytes: int = OUTPUT_LIMIT_BYTES
) -> Completed:
    """As `run`, for code in a thread or without an event loop. Not on a loop's own thread.

    Raises:
        BboxError: dependency.missing; process.failed when the output is over the limit, or when
            it takes longer than `timeout_s`.
    """
    try:
        return asyncio.run(_run_within(command, timeout_s, limit_bytes))
    except TimeoutError as error:
        raise BboxError(
            ErrorCode.PROCESS_FAILED,
            cause=f"{command.program} did not end within {timeout_s:g} s.",
            remediation="Try again when the machine is less busy.",
        ) from error


async def _run_within(command: Command, timeout_s: float, limit_bytes: int) -> Completed:
    async with asyncio.timeout(timeout_s):
        return await run(command, limit_bytes=limit_bytes)


async def _all_output(child: Child, program: str, limit_bytes: int) -> bytes:
    output = bytearray()
    while chunk := await child.output.read():
        output += chunk
        if len(output) > limit_bytes:
            raise BboxError(
                ErrorCode.PROCESS_FAILED,
                cause=f"{program} wrote more than {limit_bytes} bytes.",
                remediation="Exclude very large files from the workspace.",
            )
    return bytes(output)


def _outcome(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
