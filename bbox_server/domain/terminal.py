# SPDX-License-Identifier: Apache-2.0
"""The guest's shell and terminal."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.ssh_agent import AgentUse, LentAgent
from bbox_server.domain.vm import OwnedFd, ShellIdentity


class GuestUser(StrEnum):
    """Who logs in to the guest; the values are the guest system's user names."""

    AGENT = "sandbox"
    ROOT = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalSize:
    """Character cells."""

    columns: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestCommand:
    """What runs in the guest.

    Attributes:
        argv: Quoted for the guest's shell by the adapter, one word an element.
        env: Added to the image's environment.
        directory: Absolute, in the guest.
        terminal: None runs it on pipes, without a PTY.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str = "/workspace"
    terminal: TerminalSize | None = None


class GuestProcess(Protocol):
    """A command that runs in the guest. With a PTY, `read_error` is at its end at once."""

    async def read(self) -> bytes:
        """The next output, at most 64 KiB; empty at the end. Not reading holds the guest back."""
        ...

    async def read_error(self) -> bytes:
        """The next error output; empty at the end."""
        ...

    async def write(self, data: bytes) -> None:
        """Send input; empty closes it. Waits while the guest doesn't read."""
        ...

    async def control(self, request: TerminalSize | str) -> None:
        """Resize the PTY, or send a signal by its name without SIG."""
        ...

    async def wait(self) -> ExitStatus:
        """Wait for the end. Raises: guest.lost."""
        ...


class GuestShell(Protocol):
    """An authenticated connection to the guest."""

    def run(self, command: GuestCommand) -> AbstractAsyncContextManager[GuestProcess]:
        """Start a command; leaving the context ends it."""
        ...

    async def write_file(self, path: str, content: bytes, mode: int) -> None:
        """Write a file as the shell's user, with its directories. Raises: guest.command-failed."""
        ...

    def lend_agent(
        self, path: str, lent: LentAgent, report: Callable[[AgentUse], None]
    ) -> AbstractAsyncContextManager[None]:
        """Serve an SSH agent at a path in the guest, for as long as the context lasts.

        Raises: guest.command-failed where there can be no socket.
        """
        ...

    async def write_files(self, files: Sequence[GuestFile], home: str) -> None:
        """Write many files at once, as `write_file` does; relative paths are below `home`.

        Raises: guest.command-failed; the files before the one that failed are there.
        """
        ...


class ShellConnector(Protocol):
    """Makes shells from channels."""

    def new_identity(self) -> ShellIdentity:
        """Fresh keys for one session."""
        ...

    async def warm_up(self) -> None:
        """Do what a first login would wait for; may be left out."""
        ...

    def connect(
        self, channel: OwnedFd, identity: ShellIdentity, user: GuestUser = GuestUser.AGENT
    ) -> AbstractAsyncContextManager[GuestShell]:
        """Log in over a channel, which the context then owns.

        The user belongs to the connection, not to a command: there is one channel at a time, so
        work as root is done and its shell left before the agent's begins. Raises: ssh.failed.
        """
        ...


class OutputStream(StrEnum):
    """Where a command's output goes; a PTY has one only."""

    OUTPUT = "output"
    ERROR = "error"


class TerminalRecorder(Protocol):
    """Keeps what the terminal showed, so that a client that comes back is whole again."""

    def append(self, data: bytes) -> None:
        """Add output, already filtered."""
        ...


class UserTerminal(Protocol):
    """Where the user sits: a TTY, a pipe, or an editor's panel."""

    def size(self) -> TerminalSize | None:
        """The size now; None when this is no terminal."""
        ...

    def attached(self) -> AbstractAsyncContextManager[None]:
        """Hand keys on unprocessed while inside; on leaving, everything is as it was."""
        ...

    async def read(self) -> bytes:
        """The next input; empty at its end."""
        ...

    async def write(self, data: bytes, stream: OutputStream) -> None:
        """Show output; waits while the user's side is slow."""
        ...

    async def resized(self) -> TerminalSize | str:
        """Wait for the next change of size, or for a signal that the agent is to get."""
        ...
