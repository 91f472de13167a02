# SPDX-License-Identifier: Apache-2.0
"""A guest's shell whose programs are Python functions."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.ssh_agent import AgentUse, LentAgent
from bbox_server.domain.terminal import (
    GuestCommand,
    GuestProcess,
    GuestShell,
    GuestUser,
    ShellConnector,
    TerminalSize,
)
from bbox_server.domain.vm import OwnedFd, ShellIdentity

CHUNK_BYTES = 64 * 1024

# So much output waits for its reader before the program does.
BUFFER_BYTES = 4 * CHUNK_BYTES


class Pipe:
    """Bytes one way, bounded."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._is_closed = False
        self._changed = asyncio.Condition()

    async def put(self, data: bytes) -> None:
        """Add bytes; waits while the buffer is full."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._content) < BUFFER_BYTES)
            self._content += data
            self._changed.notify_all()

    async def close(self) -> None:
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    async def get(self) -> bytes:
        """The next bytes; empty at the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._content or self._is_closed)
            chunk = bytes(self._content[:CHUNK_BYTES])
            del self._content[:CHUNK_BYTES]
            self._changed.notify_all()
            return chunk


class FakeProcess(GuestProcess):
    """Both sides of a running program: the host's methods, and what the program uses.

    Attributes:
        command: What was asked for; the program's argv, environment and directory.
        input, output, errors: The program's standard streams.
        size: The terminal's present size.
        signals: What was sent, in order.
    """

    def __init__(self, command: GuestCommand) -> None:
        self.command = command
        self.input, self.output, self.errors = Pipe(), Pipe(), Pipe()
        self.size = command.terminal
        self.signals: list[str] = []
        self._status: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        self._signalled = asyncio.Event()

    @override
    async def read(self) -> bytes:
        return await self._unless_lost(await self.output.get())

    @override
    async def read_error(self) -> bytes:
        if self.command.terminal is not None:
            return b""
        return await self._unless_lost(await self.errors.get())

    @override
    async def write(self, data: bytes) -> None:
        if self._status.done():
            return
        if data:
            await self.input.put(data)
        else:
            await self.input.close()

    @override
    async def control(self, request: TerminalSize | str) -> None:
        if isinstance(request, TerminalSize):
            self.size = request
        else:
            self.signals.append(request)
            self._signalled.set()

    @override
    async def wait(self) -> ExitStatus:
        return await asyncio.shield(self._status)

    async def execute(self, program: "Program") -> None:
        """Run the program to its end, or until a signal ends it."""
        async with asyncio.TaskGroup() as group:
            running = group.create_task(program(self))
            watching = group.create_task(self._signalled.wait())
            await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                running.cancel()
            watching.cancel()
        status = ExitStatus(code=None, signal=self.signals[-1]) if self.signals else None
        await self._end(status or running.result())

    async def lose(self) -> None:
        """The connection is gone."""
        if not self._status.done():
            self._status.set_exception(_lost())
            # Looked at here, so that a test which never waits is not told of it.
            self._status.exception()
        await self.output.close()
        await self.errors.close()

    async def _end(self, status: ExitStatus) -> None:
        if not self._status.done():
            self._status.set_result(status)
        await self.output.close()
        await self.errors.close()

    async def _unless_lost(self, chunk: bytes) -> bytes:
        if not chunk and self._status.done():
            await self.wait()
        return chunk


Program = Callable[[FakeProcess], Coroutine[object, None, ExitStatus]]
"""A program of the guest: reads and writes its process's streams, returns its status."""


class FakeGuestShell(GuestShell):
    """Runs programs by the first word of their argv.

    Attributes:
        files: What was written, with its mode. Nothing can be written below /proc.
        processes: Everything that was run, in order.
        agents: SSH agents that are served now, by path.
    """

    def __init__(self, programs: Mapping[str, Program], user: GuestUser) -> None:
        self.user = user
        self.files: dict[str, tuple[bytes, int]] = {}
        self.processes: list[FakeProcess] = []
        self.agents: dict[str, LentAgent] = {}
        self._programs = programs

    @override
    @asynccontextmanager
    async def run(self, command: GuestCommand) -> AsyncIterator[GuestProcess]:
        process = FakeProcess(command)
        self.processes.append(process)
        program = self._programs.get(command.argv[0], _not_found)
        try:
            async with asyncio.TaskGroup() as group:
                execution = group.create_task(process.execute(program))
                try:
                    yield process
                finally:
                    execution.cancel()
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    @override
    async def write_file(self, path: str, content: bytes, mode: int) -> None:
        if PurePosixPath(path).is_relative_to("/proc"):
            raise BboxError(
                ErrorCode.GUEST_COMMAND_FAILED,
                cause=f"{path} could not be written: No such file or directory.",
                remediation="See whether the image lets the user write there.",
            )
        self.files[path] = (content, mode)

    @override
    @asynccontextmanager
    async def lend_agent(
        self, path: str, lent: LentAgent, report: Callable[[AgentUse], None]
    ) -> AsyncIterator[None]:
        self.agents[path] = lent
        report(AgentUse(host=lent.hosts[0].host.name))
        try:
            yield
        finally:
            del self.agents[path]

    @override
    async def write_files(self, files: Sequence[GuestFile], home: str) -> None:
        for file in files:
            await self.write_file(str(PurePosixPath(home, file.path)), file.content, file.mode)

    async def lose(self) -> None:
        """The guest is gone, under everything that runs."""
        for process in self.processes:
            await process.lose()


class FakeShellConnector(ShellConnector):
    """Connects to fake shells. `shells` are those that were, in order."""

    def __init__(self, programs: Mapping[str, Program] | None = None) -> None:
        self.shells: list[FakeGuestShell] = []
        self.is_warm = False
        self._programs = programs or {}

    @override
    def new_identity(self) -> ShellIdentity:
        private, public = b"private " + os.urandom(8), b"ssh-ed25519 public"
        return ShellIdentity(
            host_private_key=private,
            host_public_key=public,
            client_private_key=private,
            client_public_key=public,
        )

    @override
    async def warm_up(self) -> None:
        self.is_warm = True

    @override
    @asynccontextmanager
    async def connect(
        self, channel: OwnedFd, identity: ShellIdentity, user: GuestUser = GuestUser.AGENT
    ) -> AsyncIterator[GuestShell]:
        shell = FakeGuestShell(self._programs, user)
        self.shells.append(shell)
        try:
            yield shell
        finally:
            with suppress(OSError):
                os.close(channel)


async def _not_found(process: FakeProcess) -> ExitStatus:
    await process.errors.put(b"sh: " + process.command.argv[0].encode() + b": not found\n")
    return ExitStatus(code=127)


def _lost() -> BboxError:
    return BboxError(ErrorCode.GUEST_LOST, cause="The guest is gone.", remediation="Start anew.")
