# SPDX-License-Identifier: Apache-2.0
"""Connect a command in the guest with the user's terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bbox_server.domain.escape import TerminalFilter
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import (
    GuestProcess,
    OutputStream,
    TerminalRecorder,
    UserTerminal,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachTerminal:
    """Carries bytes both ways until the command ends.

    What a terminal shows goes through the allow-list of escape sequences first. What goes into a
    pipe or a file is left as it is: it may be no text at all.
    """

    terminal: UserTerminal
    recorder: TerminalRecorder

    async def __call__(self, process: GuestProcess) -> ExitStatus:
        """Return how the command ended. Raises: guest.lost."""
        async with self.terminal.attached(), asyncio.TaskGroup() as tasks:
            endless = [
                tasks.create_task(self._carry_input(process)),
                tasks.create_task(self._carry_sizes(process)),
            ]
            errors = tasks.create_task(self._carry(process.read_error, OutputStream.ERROR))
            await self._carry(process.read, OutputStream.OUTPUT)
            await errors
            status = await process.wait()
            for task in endless:
                task.cancel()
        return status

    async def _carry(self, read: Callable[[], Awaitable[bytes]], stream: OutputStream) -> None:
        screen = TerminalFilter()
        shown = self.terminal.size() is not None
        while data := await read():
            await self._show(screen.feed(data) if shown else data, stream)
        if shown:
            # An agent that was killed leaves the alternate screen and mouse reports on.
            await self._show(screen.restore(), stream)

    async def _show(self, data: bytes, stream: OutputStream) -> None:
        self.recorder.append(data)
        await self.terminal.write(data, stream)

    async def _carry_input(self, process: GuestProcess) -> None:
        while data := await self.terminal.read():
            await process.write(data)
        await process.write(b"")

    async def _carry_sizes(self, process: GuestProcess) -> None:
        while True:
            await process.control(await self.terminal.resized())
