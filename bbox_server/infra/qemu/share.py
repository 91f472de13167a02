# SPDX-License-Identifier: Apache-2.0
"""virtiofsd: one confined process for each of the workspace's two directories."""

import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import find_program
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.qemu import confine
from bbox_server.infra.qemu.sockets import connect_to, listen_at

# Debian 12; Debian 13, Ubuntu and Fedora; Arch.
PLACES: Final = ("/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd", "/usr/lib/virtiofsd")

# The second is what it says to a user with several groups, whatever it is asked; see confine.
_C_VERSION: Final = re.compile(rb"virtiofsd version \d|setgroups\(\) failed")


class Dialect(StrEnum):
    """The two programs of this name, which share no option."""

    C = "c"
    RUST = "rust"


class Access(StrEnum):
    """What the guest may do in a share; the values are confine's words."""

    READ = "ro"
    WRITE = "rw"
    DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDirectory:
    """A directory and how it is served; `masks` is a file for confine."""

    directory: Path
    access: Access
    masks: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareProgram:
    """The virtiofsd that is installed."""

    path: str
    dialect: Dialect

    def argv(self, listener_fd: int, directory: Path, access: Access) -> tuple[str, ...]:
        """The command line that serves a directory on a listening socket."""
        match self.dialect:
            case Dialect.C:
                return (self.path, *_c_words(listener_fd, directory, access))
            case Dialect.RUST:
                return (self.path, *_rust_words(listener_fd, directory, access))


def _c_words(listener_fd: int, directory: Path, access: Access) -> tuple[str, ...]:
    source = str(directory).replace("\\", "\\\\").replace(",", "\\,")
    # The user works in a direct share too: what is cached there is asked for again.
    options = f"source={source},cache={_cache(access)}"
    if access is Access.WRITE:
        options += ",xattr"
    return (f"--fd={listener_fd}", "-o", options, "-f")


def _rust_words(listener_fd: int, directory: Path, access: Access) -> tuple[str, ...]:
    # --sandbox=namespace would make a user namespace by newuidmap; it is in one already.
    confined = (f"--cache={_cache(access)}", "--sandbox=chroot", "--log-level=error")
    xattr = ("--xattr",) if access is Access.WRITE else ()
    return (f"--fd={listener_fd}", f"--shared-dir={directory}", *confined, *xattr)


def _cache(access: Access) -> str:
    return "auto" if access is Access.DIRECT else "always"


async def find_share_program(path: str) -> ShareProgram:
    """The installed virtiofsd.

    Raises:
        BboxError: dependency.missing.
    """
    program = find_program("virtiofsd", path=path, places=PLACES)
    version = await run(Command(argv=(program, "--version")))
    is_c = _C_VERSION.search(version.output + version.errors)
    return ShareProgram(path=program, dialect=Dialect.C if is_c else Dialect.RUST)


class Share:
    """One served directory.

    Attributes:
        connection: For QEMU, which speaks vhost-user on it; closed with the share's context.
    """

    def __init__(self, child: Child, connection: socket.socket, directory: Path) -> None:
        self.child = child
        self.connection = connection
        self._directory = directory

    def failure(self) -> BboxError | None:
        """Why it failed, or None. It ends with 0 when QEMU has left."""
        if not self.child.poll():
            return None
        self.child.errors.close()
        lines = self.child.errors.content().strip().splitlines() or [b"it said nothing"]
        return BboxError(
            ErrorCode.SHARE_FAILED,
            cause=f"The share of {self._directory} ended: {printable(lines[-1])}.",
            remediation="See `bbox doctor`: user namespaces must be allowed, and the directory "
            "must be reachable for the user who owns it.",
        )


@asynccontextmanager
async def serve_share(
    program: ShareProgram,
    served: ServedDirectory,
    user: SandboxUser,
    socket_path: Path,
) -> AsyncIterator[Share]:
    """Serve a directory to one client; the socket's name exists for a moment only.

    The client is connected before the daemon runs, so that QEMU starts beside it.
    """
    with listen_at(socket_path) as listener, connect_to(socket_path) as connection:
        os.unlink(socket_path)  # noqa: PTH108 - a moment's work in our own directory
        connection.settimeout(None)
        words = program.argv(listener.fileno(), served.directory, served.access)
        command = Command(argv=(*_confined(served, user), *words), pass_fds=(listener.fileno(),))
        async with spawn(command) as child:
            # When the daemon fails, QEMU must see the end of the connection.
            listener.close()
            yield Share(child, connection, served.directory)


def _confined(served: ServedDirectory, user: SandboxUser) -> tuple[str, ...]:
    masks = () if served.masks is None else (str(served.masks),)
    return (
        *(sys.executable, "-I", "-S", confine.__file__),
        *(str(os.getpid()), str(user.uid), str(user.gid)),
        *(served.access.value, str(served.directory), *masks, "--"),
    )
