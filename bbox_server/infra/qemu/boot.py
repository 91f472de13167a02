# SPDX-License-Identifier: Apache-2.0
"""QEMU from power-on to a mark on the console, or to an error that explains itself."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable
from bbox_server.infra.qemu.console import Console
from bbox_server.infra.qemu.diagnosis import explain
from bbox_server.infra.qemu.share import Share

# The first and the last step of the guest's start (guest/README.md).
FIRST_MARK: Final = "init"
LAST_MARK: Final = "ready"

_ERRORS_KEPT: Final = 3


class PoweredOn:
    """A QEMU process and what its console says.

    Attributes:
        qemu: The process.
        console: What the guest's console said.
    """

    def __init__(self, qemu: Child, console: Console, shares: tuple[Share, ...]) -> None:
        self.qemu = qemu
        self.console = console
        self._shares = shares
        qemu.when_ended(console.changed.set)
        for share in shares:
            share.child.when_ended(self._lose_share)

    async def reach(self, mark: str, deadline_s: float) -> None:
        """Wait for a mark.

        Raises:
            BboxError: boot.timeout, boot.failed, share.failed, image.corrupt, disk.full.
        """
        marks = self.console.said.marks
        await self.until(lambda: mark in marks, f"did not reach `{mark}`", deadline_s)

    async def until(
        self, is_reached: Callable[[], bool], otherwise: str, deadline_s: float
    ) -> None:
        """Wait for something that sets the console's `changed`. Raises as `reach`.

        Args:
            is_reached: What is waited for.
            otherwise: What the guest has not done at the deadline, as the end of a sentence.
            deadline_s: From now.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not is_reached():
                    self.console.changed.clear()
                    self._check()
                    await self.console.changed.wait()
        except TimeoutError as error:
            happened = f"The guest {otherwise} within {deadline_s:g} s."
            raise self._explain(happened, ErrorCode.BOOT_TIMEOUT) from error

    def last_words(self) -> tuple[str, ...]:
        """What the console, a share that failed, and QEMU itself said last."""
        failures = (share.failure() for share in self._shares)
        causes = tuple(failure.cause for failure in failures if failure is not None)
        self.qemu.errors.close()
        return (*self.console.said.tail(), *causes, *self._errors()[-_ERRORS_KEPT:])

    def _errors(self) -> tuple[str, ...]:
        return tuple(printable(line) for line in self.qemu.errors.content().splitlines())

    def _check(self) -> None:
        for share in self._shares:
            if (failure := share.failure()) is not None:
                raise failure
        if self.console.said.failure:
            happened = f"The guest gave up: {self.console.said.failure}."
            raise self._explain(happened, ErrorCode.BOOT_FAILED)
        if self.console.said.has_panicked:
            raise self._explain("The guest's kernel panicked.", ErrorCode.BOOT_FAILED)
        if self.qemu.has_ended():
            self.console.close()
            self.qemu.errors.close()
            raise self._explain("QEMU ended.", ErrorCode.BOOT_FAILED)

    def _explain(self, happened: str, code: ErrorCode) -> BboxError:
        return explain(
            happened=happened, code=code, errors=self._errors(), console=self.console.said
        )

    def _lose_share(self) -> None:
        # Without its share the guest would hang on each access; what is on disk is whole.
        if not self.qemu.has_ended():
            self.qemu.kill()
        self.console.changed.set()


@asynccontextmanager
async def power_on(
    command: Command, log: Path | None, shares: tuple[Share, ...] = ()
) -> AsyncIterator[PoweredOn]:
    """Run QEMU with its console on our pipe; it is gone when the context is left."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        console = Console(reading, log)
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    try:
        command = replace(command, stdout=writing)
        async with spawn(command) as qemu:
            os.close(writing)
            writing = -1
            yield PoweredOn(qemu, console, shares)
    finally:
        if writing >= 0:
            os.close(writing)
        console.close()
