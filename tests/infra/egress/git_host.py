# SPDX-License-Identifier: Apache-2.0
"""A git host over SSH, on loopback: one key, one user, git's own two commands."""

import asyncio
import shlex
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

import asyncssh

_COMMANDS: Final = frozenset({"git-upload-pack", "git-receive-pack"})


@asynccontextmanager
async def git_host(repositories: Path, key: Path) -> AsyncIterator[int]:
    """Serves the repositories for who has the key, which it writes; yields the port."""
    users = _new_key(key)
    own = asyncssh.generate_private_key("ssh-ed25519")
    authorized = asyncssh.import_authorized_keys(users)

    async def serve(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        name, path = shlex.split(process.command or "none none")
        if name not in _COMMANDS:
            process.exit(1)
            return
        git = _git(name, repositories / path.lstrip("/"))
        async with asyncio.TaskGroup() as group:
            feeding = group.create_task(_feed(process, git))
            await _drain(process, git)
            feeding.cancel()
        process.exit(await asyncio.to_thread(git.wait))

    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[own],
        authorized_client_keys=authorized,
        process_factory=serve,
        encoding=None,
    )
    async with server:
        yield server.get_port()


async def _feed(
    process: "asyncssh.SSHServerProcess[bytes]", git: "subprocess.Popen[bytes]"
) -> None:
    assert git.stdin is not None
    with git.stdin as given, suppress(BrokenPipeError):
        while data := await process.stdin.read(1 << 16):
            await asyncio.to_thread(given.write, data)
            await asyncio.to_thread(given.flush)


async def _drain(
    process: "asyncssh.SSHServerProcess[bytes]", git: "subprocess.Popen[bytes]"
) -> None:
    assert isinstance(git.stdout, BufferedReader)
    with git.stdout as said:
        while data := await asyncio.to_thread(said.read1, 1 << 16):
            process.stdout.write(data)
            await process.stdout.drain()


def _new_key(path: Path) -> str:
    """Written for its user alone; returns its public half."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.touch(mode=0o600)
    key.write_private_key(str(path))
    return key.export_public_key().decode()


def _git(name: str, repository: Path) -> "subprocess.Popen[bytes]":
    argv = ["git", name.removeprefix("git-"), str(repository)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
