# SPDX-License-Identifier: Apache-2.0
"""What is started, and the one line of the product that starts it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from bbox_server.infra.process.programs import (
    PLAIN_ENVIRONMENT,
    SYSTEM_PATH,
    find_program,
    missing_program,
)
from bbox_server.infra.process.sandbox_user import SandboxUser

# setpriv has set the parent-death signal by now. A parent that died before that is not noticed by
# it: then our parent is another one, and nothing is started. dash adds PWD to the environment.
_GUARD: Final = '[ "$PPID" = "$0" ] && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A child process.

    Attributes:
        argv: The program, found along the PATH of `env`, and its words; never a shell's line.
        env: The whole environment (dash, which execs the program, adds PWD).
        directory: Where it runs.
        user: Who it becomes before it is executed; None keeps the caller's.
        groups: Supplementary groups of `user`, when the caller is another one.
        pass_fds: Descriptors that the child keeps, under the same numbers.
        stdin: A descriptor, bytes to read, or None for no input at all.
        stdout: A descriptor to write to, or None for a pipe to the caller.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=lambda: PLAIN_ENVIRONMENT)
    directory: str = "/"
    user: SandboxUser | None = None
    groups: tuple[int, ...] = ()
    pass_fds: tuple[int, ...] = ()
    stdin: int | bytes | None = None
    stdout: int | None = None

    @property
    def program(self) -> str:
        """The program's name, for messages."""
        return PurePosixPath(self.argv[0]).name


def launch(command: Command) -> subprocess.Popen[bytes]:
    """Start the child in its own session; it gets SIGKILL when the calling *thread* ends.

    The caller owns the result at once: there is no await between fork and return
    (cancelling asyncio's own subprocess creation can lose the pid, cpython#103847).

    Raises:
        BboxError: dependency.missing.
    """
    program = find_program(command.argv[0], path=command.env.get("PATH", SYSTEM_PATH))
    stdin = _input(command.stdin)
    try:
        return subprocess.Popen(
            (*_preamble(command.user, command.groups), program, *command.argv[1:]),
            stdin=stdin,
            stdout=subprocess.PIPE if command.stdout is None else command.stdout,
            stderr=subprocess.PIPE,
            env=dict(command.env),
            cwd=command.directory,
            pass_fds=command.pass_fds,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if error.filename == command.directory:
            raise  # the caller's mistake, not a program that is missing
        raise missing_program(program) from error
    finally:
        if isinstance(command.stdin, bytes):
            os.close(stdin)


def _preamble(user: SandboxUser | None, groups: tuple[int, ...]) -> tuple[str, ...]:
    # The parent-death signal is lost on a change of user, so setpriv sets it after that (2.38).
    words = [find_program("setpriv"), "--pdeathsig", "KILL", "--no-new-privs"]
    if user is not None and (user.uid, user.gid) != (os.geteuid(), os.getegid()):
        words += [f"--reuid={user.uid}", f"--regid={user.gid}"]
        words += [f"--groups={','.join(map(str, groups))}"] if groups else ["--clear-groups"]
        words += ["--inh-caps=-all", "--bounding-set=-all"]
    return (*words, "--", find_program("sh"), "-c", _GUARD, str(os.getpid()))


def _input(stdin: int | bytes | None) -> int:
    match stdin:
        case None:
            return subprocess.DEVNULL
        case bytes():
            return _memory_file(stdin)
        case int():
            return stdin


def _memory_file(content: bytes) -> int:
    # A file in memory needs no one who feeds a pipe while the output is read.
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
