# SPDX-License-Identifier: Apache-2.0
"""An authenticated connection: commands and files."""

import asyncio
import io
import os
import shlex
import tarfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from typing import Final

import asyncssh
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.ssh_agent import AgentUse, LentAgent
from bbox_server.domain.terminal import GuestCommand, GuestProcess, GuestShell
from bbox_server.infra.process.printable import printable
from bbox_server.infra.ssh.agent_filter import AgentFilter
from bbox_server.infra.ssh.guest_process import SshProcess, connection_errors

# Of asyncssh's stream too: so much of what nobody reads yet is kept for each command.
_WINDOW_BYTES: Final = 512 * 1024

_DEFAULT_TERM: Final = "xterm-256color"

# guest/README.md, Logging in: these are the guest's to set, under these names or by the command.
_RENAMED: Final[Mapping[str, str]] = {"PATH": "BBOX_PATH"}
_SET_BY_LOGIN: Final = frozenset({"HOME", "LOGNAME", "SHELL", "USER"})

# Of the guest system, so that the image needs no program of its own.
_BUSYBOX: Final = "/run/bbox/busybox"
_WRITE: Final = (
    'umask 077; mkdir -p "$1" && cat >"$2.part" && chmod "$3" "$2.part" && mv -f "$2.part" "$2"'
)


# -o, -m: owner and time are the guest's own. Directories on the way are made, and those that are
# there stay as they are; a link in a file's place is replaced, not followed.
_UNPACK: Final = f"umask 077; exec {_BUSYBOX} tar -x -o -m -f - -C /"


class SshShell(GuestShell):
    """Commands of one login."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    @override
    @asynccontextmanager
    async def run(self, command: GuestCommand) -> AsyncIterator[GuestProcess]:
        process = await self._start(command)
        try:
            yield process
        finally:
            process.end()

    @override
    async def write_file(self, path: str, content: bytes, mode: int) -> None:
        directory = str(PurePosixPath(path).parent)
        command = GuestCommand(
            argv=(_BUSYBOX, "sh", "-c", _WRITE, "sh", directory, path, f"{mode:o}"), directory="/"
        )
        async with self.run(command) as process:
            await process.write(content)
            await process.write(b"")
            said = await process.read_error()
            status = await process.wait()
        if status.code != 0:
            raise BboxError(
                ErrorCode.GUEST_COMMAND_FAILED,
                cause=f"{path} could not be written: {printable(said.strip() or b'no reason')}.",
                remediation="See whether the image lets the user write there.",
            )

    @override
    @asynccontextmanager
    async def lend_agent(
        self, path: str, lent: LentAgent, report: Callable[[AgentUse], None]
    ) -> AsyncIterator[None]:
        agent = AgentFilter(lent, report)

        async def handle(
            reader: asyncssh.SSHReader[bytes], writer: asyncssh.SSHWriter[bytes]
        ) -> None:
            try:
                await agent.serve(reader, writer)
            finally:
                writer.close()

        try:
            listener = await self._connection.start_unix_server(lambda: handle, path, encoding=None)
        except asyncssh.ChannelListenError as error:
            raise BboxError(
                ErrorCode.GUEST_COMMAND_FAILED,
                cause=f"{path} could not be made: {printable(str(error))}.",
                remediation="Leave --git-ssh-agent out.",
            ) from error
        try:
            yield
        finally:
            listener.close()

    @override
    async def write_files(self, files: Sequence[GuestFile], home: str) -> None:
        if not files:
            return
        command = GuestCommand(argv=(_BUSYBOX, "sh", "-c", _UNPACK), directory="/")
        async with self.run(command) as process:
            await process.write(await asyncio.to_thread(archive_of, files, home))
            await process.write(b"")
            said = await process.read_error()
            status = await process.wait()
        if status.code != 0:
            raise BboxError(
                ErrorCode.GUEST_COMMAND_FAILED,
                cause=f"Files could not be written: {printable(said.strip() or b'no reason')}.",
                remediation="See whether the image lets the user write there.",
            )

    async def _start(self, command: GuestCommand) -> SshProcess:
        terminal = command.terminal
        line, env = command_line(command), environment(command)
        with connection_errors():
            process = await self._connection.create_process(
                line,
                env=env,
                encoding=None,
                window=_WINDOW_BYTES,
                request_pty="force" if terminal else False,
                term_type=command.env.get("TERM", _DEFAULT_TERM) if terminal else None,
                term_size=(terminal.columns, terminal.rows) if terminal else None,
            )
        return SshProcess(process, has_terminal=terminal is not None)


def archive_of(files: Sequence[GuestFile], home: str) -> bytes:
    """A tar archive of files without directories, relative to `/`."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(str(PurePosixPath(home, file.path)).lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return content.getvalue()


def command_line(command: GuestCommand) -> bytes | None:
    """The line for the guest's shell; None is a login shell.

    Raises:
        ValueError: A word has a NUL, which no exec can pass.
    """
    if not command.argv:
        return None
    own = {name: command.env[name] for name in sorted(_SET_BY_LOGIN & command.env.keys())}
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in own.items())
    line = exports + "exec " + shlex.join(command.argv)
    if "\0" in line:
        raise ValueError("a word of a command has a NUL")
    return os.fsencode(line)


def environment(command: GuestCommand) -> dict[bytes, bytes]:
    """The session's environment: it goes beside the command line, which the guest's `ps` shows."""
    given = {
        _RENAMED.get(name, name): value
        for name, value in command.env.items()
        if name not in _SET_BY_LOGIN
    }
    given["BBOX_CWD"] = command.directory
    return {os.fsencode(name): os.fsencode(value) for name, value in given.items()}
