# SPDX-License-Identifier: Apache-2.0
"""The connector against servers that keep SSH's rules and against some that don't."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.terminal import GuestCommand, GuestProcess, GuestShell, GuestUser
from bbox_server.domain.vm import OwnedFd, ShellIdentity
from bbox_server.infra.ssh import login
from bbox_server.infra.ssh.connector import AsyncsshConnector
from bbox_server.infra.ssh.flood import is_flooding

Process = asyncssh.SSHServerProcess[bytes]
Handler = Callable[[Process], Awaitable[None]]

CONNECTOR = AsyncsshConnector(login_timeout_s=5)
COMMAND = GuestCommand(argv=("x",))


async def serve(connection: socket.socket, identity: ShellIdentity, handler: Handler) -> None:
    async def run(process: Process) -> None:
        await handler(process)

    server = await asyncssh.run_server(
        connection,
        server_host_keys=[asyncssh.import_private_key(identity.host_private_key)],
        authorized_client_keys=asyncssh.import_authorized_keys(identity.client_public_key.decode()),
        process_factory=run,
        encoding=None,
        line_editor=False,
        config=None,
    )
    await server.wait_closed()


async def nothing(process: Process) -> None:
    process.exit(0)


@asynccontextmanager
async def connected(
    handler: Handler, theirs: ShellIdentity, ours: ShellIdentity
) -> AsyncIterator[GuestShell]:
    guest, host = socket.socketpair()
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(guest, theirs, handler))
        try:
            async with CONNECTOR.connect(OwnedFd(host.detach()), ours) as shell:
                yield shell
        finally:
            server.cancel()


@asynccontextmanager
async def shell(handler: Handler) -> AsyncIterator[GuestShell]:
    identity = CONNECTOR.new_identity()
    async with connected(handler, identity, identity) as guest_shell:
        yield guest_shell


def failure_of(caught: pytest.ExceptionInfo[BaseException]) -> BboxError:
    error = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BboxError)
    return error


async def log_in(theirs: ShellIdentity, ours: ShellIdentity) -> None:
    async with connected(nothing, theirs, ours):
        pass


async def test_keys_are_fresh_and_of_openssh() -> None:
    one, other = CONNECTOR.new_identity(), CONNECTOR.new_identity()
    assert one.client_private_key != other.client_private_key
    assert one.host_private_key.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    assert one.client_public_key.startswith(b"ssh-ed25519 ")


async def test_another_host_key_is_refused() -> None:
    ours, other = CONNECTOR.new_identity(), CONNECTOR.new_identity()
    theirs = replace(ours, host_private_key=other.host_private_key)
    with pytest.raises(BaseExceptionGroup) as caught:
        await log_in(theirs, ours)
    assert failure_of(caught).code is ErrorCode.SSH_FAILED


async def test_another_client_key_is_refused() -> None:
    ours, other = CONNECTOR.new_identity(), CONNECTOR.new_identity()
    theirs = replace(ours, client_public_key=other.client_public_key)
    with pytest.raises(BaseExceptionGroup) as caught:
        await log_in(theirs, ours)
    assert failure_of(caught).code is ErrorCode.SSH_FAILED


async def say_to(said: bytes, connector: AsyncsshConnector) -> None:
    guest, host = socket.socketpair()
    with guest:
        guest.send(said)
        guest.shutdown(socket.SHUT_WR)
        async with connector.connect(OwnedFd(host.detach()), CONNECTOR.new_identity()):
            pass


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-\x1b[2J\r\n" + bytes(1000),
        b"SSH-1.5-old\r\n",
        b"x" * 100_000,
        b"SSH-2.0-x\r\n\xff\xff\xff\xff" + bytes(100),
    ],
)
async def test_nonsense_instead_of_ssh_is_told(said: bytes) -> None:
    with pytest.raises(BboxError) as caught:
        await say_to(said, CONNECTOR)
    assert caught.value.code is ErrorCode.SSH_FAILED
    assert caught.value.cause.isprintable()


async def test_a_server_that_says_nothing_is_given_up() -> None:
    guest, host = socket.socketpair()
    with guest, pytest.raises(BboxError) as caught:
        async with AsyncsshConnector(login_timeout_s=0.3).connect(
            OwnedFd(host.detach()), CONNECTOR.new_identity()
        ):
            pass
    assert caught.value.code is ErrorCode.SSH_FAILED


async def test_a_signal_of_an_odd_name_is_not_repeated() -> None:
    async def die(process: Process) -> None:
        process.exit_with_signal("\x1b]0;owned\x07", msg="\x1b[2J")

    async with shell(die) as guest, guest.run(COMMAND) as process:
        assert await process.wait() == ExitStatus(code=None, signal="UNKNOWN")


async def test_a_connection_that_breaks_is_a_lost_guest() -> None:
    async def break_off(process: Process) -> None:
        process.stdout.write(b"some")
        await process.stdout.drain()
        process.get_extra_info("connection").abort()

    async with shell(break_off) as guest, guest.run(COMMAND) as process:
        with pytest.raises(BboxError) as caught:
            await finish(process)
        assert caught.value.code is ErrorCode.GUEST_LOST
        with pytest.raises(BboxError) as again:
            async with guest.run(COMMAND):
                pass
        assert again.value.code is ErrorCode.GUEST_LOST


async def finish(process: GuestProcess) -> None:
    await read_all(process.read)
    await process.wait()


async def read_all(read: Callable[[], Awaitable[bytes]]) -> bytes:
    output = b""
    while chunk := await read():
        output += chunk
    return output


async def test_an_end_without_a_status_is_a_lost_guest() -> None:
    async def vanish(process: Process) -> None:
        process.close()

    async with shell(vanish) as guest, guest.run(COMMAND) as process:
        with pytest.raises(BboxError) as caught:
            await process.wait()
        assert caught.value.code is ErrorCode.GUEST_LOST


async def test_a_guest_that_sends_more_than_it_may_is_cut_off() -> None:
    async def flood(process: Process) -> None:
        process.channel._send_window = 1 << 40
        while not process.channel.is_closing():
            process.stdout.write(bytes(1 << 20))
            await asyncio.sleep(0.01)

    async with shell(flood) as guest, guest.run(COMMAND) as process:
        with pytest.raises(BboxError) as caught:
            async with asyncio.timeout(10):
                await process.wait()
    assert caught.value.code is ErrorCode.GUEST_LOST


async def test_a_guest_that_keeps_the_rules_is_not_cut_off() -> None:
    async def speak(process: Process) -> None:
        process.stdout.write(bytes(8 << 20))
        await process.stdout.drain()
        process.exit(0)

    async with shell(speak) as guest, guest.run(COMMAND) as process:
        await asyncio.sleep(0.6)
        assert len(await read_all(process.read)) == 8 << 20
        assert (await process.wait()).code == 0


async def test_the_library_has_what_the_guard_looks_at() -> None:
    identity = CONNECTOR.new_identity()
    guest, host = socket.socketpair()
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(guest, identity, nothing))
        connection = await login._log_in(host, identity, GuestUser.AGENT, 30)
        process = await connection.create_process("x", encoding=None)
        assert process.channel in connection._channels.values()
        assert process.channel._recv_window > 0
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() >= 0
        assert not is_flooding(connection)
        process.channel._recv_window = -1
        assert is_flooding(connection)
        connection.abort()
        server.cancel()


def test_a_user_without_an_account_can_log_in_too() -> None:
    script = """
import asyncio, tests.infra.ssh.test_connector as t
asyncio.run(t.log_in(*[t.AsyncsshConnector().new_identity()] * 2))
"""
    nameless = ["setpriv", "--reuid=64997", "--regid=64997", "--clear-groups"]
    argv = [*(nameless if os.geteuid() == 0 else []), sys.executable, "-c", script]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    root = Path(__file__).parents[3]
    ended = subprocess.run(argv, env=env, cwd=root, check=False, stderr=subprocess.PIPE)
    if b"Permission denied" in ended.stderr:
        pytest.skip("the checkout is not readable for other users")
    assert ended.stderr.decode() == ""
