# SPDX-License-Identifier: Apache-2.0
"""A command that runs in the guest."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import asyncssh
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import GuestProcess, TerminalSize
from bbox_server.infra.process.printable import printable

_CHUNK_BYTES: Final = 64 * 1024

# The guest's word, which ends up in records and on screens.
_SIGNAL: Final = re.compile(r"[A-Z][A-Z0-9]{0,15}")


class SshProcess(GuestProcess):
    """Bytes both ways, and the end."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes], *, has_terminal: bool) -> None:
        self._process = process
        self._has_terminal = has_terminal

    @override
    async def read(self) -> bytes:
        with connection_errors():
            return await self._process.stdout.read(_CHUNK_BYTES)

    @override
    async def read_error(self) -> bytes:
        if self._has_terminal:
            return b""
        with connection_errors():
            return await self._process.stderr.read(_CHUNK_BYTES)

    @override
    async def write(self, data: bytes) -> None:
        # A command that has ended, or has closed its input, is none of the writer's concern.
        with connection_errors(), suppress(OSError):
            if not data:
                self._process.stdin.write_eof()
                return
            self._process.stdin.write(data)
            await self._process.stdin.drain()

    @override
    async def control(self, request: TerminalSize | str) -> None:
        with suppress(OSError):  # it has ended already
            match request:
                case TerminalSize():
                    self._process.change_terminal_size(request.columns, request.rows)
                case str():
                    self._process.send_signal(request)

    @override
    async def wait(self) -> ExitStatus:
        await self._process.wait_closed()
        if self._process.exit_signal is not None:
            return ExitStatus(code=None, signal=_signal_name(self._process.exit_signal[0]))
        if self._process.exit_status is None:
            raise lost_guest("the command's end was not told")
        return ExitStatus(code=self._process.exit_status)

    def end(self) -> None:
        """Kill the command if it runs still, and give up its channel."""
        with suppress(OSError):
            self._process.kill()
        self._process.close()


@contextmanager
def connection_errors() -> Iterator[None]:
    """Whatever asyncssh raises: its parser fails in any way on bytes of the guest."""
    try:
        yield
    except BboxError:
        raise
    except Exception as error:
        raise lost_guest(error) from error


def lost_guest(reason: object) -> BboxError:
    """The error for a connection that is no more."""
    return BboxError(
        ErrorCode.GUEST_LOST,
        cause=f"The guest's shell is gone: {printable(str(reason))}.",
        remediation="The agent's changes are kept: review them, then start a new session.",
    )


def _signal_name(name: str) -> str:
    return name if _SIGNAL.fullmatch(name) else "UNKNOWN"
