# SPDX-License-Identifier: Apache-2.0
"""The user's SSH agent behind the filter, with OpenSSH's own client as the guest (ADR 0134)."""

import asyncio
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.ssh_agent import AgentUse, KnownHost, LentAgent, SshHost
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.child import spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.ssh.agent_filter import AgentFilter
from bbox_server.infra.ssh.agent_messages import (
    MessageError,
    MessageKind,
    message,
    read_bind,
    read_sign_request,
    string,
    without_comments,
)

USER = "git"


@dataclass
class Ground:
    """A user's agent with one key, and servers that know it."""

    place: Path
    user_key: asyncssh.SSHKey
    agent: str
    uses: list[AgentUse] = field(default_factory=list)

    @asynccontextmanager
    async def server(self) -> AsyncIterator[tuple[int, asyncssh.SSHKey]]:
        """A host that lets the user's key in."""
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        trusted = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())

        def greet(process: asyncssh.SSHServerProcess[str]) -> None:
            process.stdout.write("welcome\n")
            process.exit(0)

        async with asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=trusted,
            process_factory=greet,
        ) as listener:
            yield listener.get_port(), host_key

    @asynccontextmanager
    async def lent(self, port: int, *keys: asyncssh.SSHKey) -> AsyncIterator[str]:
        """The socket that the guest gets."""
        hosts = tuple(
            KnownHost(
                host=SshHost(user=USER, name="127.0.0.1", port=port),
                line=key.export_public_key("openssh").decode().strip(),
                key=key.public_data,
            )
            for key in keys
        )
        lent = LentAgent(socket=HostPath(self.agent), hosts=hosts)
        judge = AgentFilter(lent, self.uses.append)

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await judge.serve(reader, writer)
            writer.close()

        path = str(self.place / "guest.sock")
        async with await asyncio.start_unix_server(handle, path):
            yield path

    async def log_in(self, socket: str, port: int, user: str = USER) -> tuple[int, str]:
        """What the guest does."""
        options = (
            *("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes"),
            *("-o", f"UserKnownHostsFile={self.place}/known", "-o", "LogLevel=ERROR"),
        )
        done = await run(
            Command(
                argv=("ssh", *options, "-p", str(port), f"{user}@127.0.0.1", "true"),
                env={"PATH": os.environ["PATH"], "HOME": str(self.place), "SSH_AUTH_SOCK": socket},
            )
        )
        return done.exit_code, done.output.decode()


@pytest_asyncio.fixture
async def ground(sandbox_dir: Path) -> AsyncIterator[Ground]:
    key = asyncssh.generate_private_key("ssh-ed25519", comment="ada@home")
    socket = str(sandbox_dir / "agent.sock")
    async with spawn(Command(argv=("ssh-agent", "-D", "-a", socket))) as child:
        await child.output.read()  # it tells the socket once it listens
        async with asyncssh.connect_agent(socket) as agent:
            await agent.add_keys([key])
        yield Ground(sandbox_dir, key, socket)


async def test_a_login_to_a_remotes_host_is_signed_and_told(ground: Ground) -> None:
    async with ground.server() as (port, host_key), ground.lent(port, host_key) as socket:
        assert await ground.log_in(socket, port) == (0, "welcome\n")
    assert ground.uses == [AgentUse(host="127.0.0.1")]


async def test_a_login_to_another_host_is_not(ground: Ground) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    async with ground.server() as (port, _), ground.lent(port, other) as socket:
        assert (await ground.log_in(socket, port))[0] != 0
    assert all(use.refused for use in ground.uses)
    assert ground.uses


async def test_a_login_as_somebody_else_is_not(ground: Ground) -> None:
    async with ground.server() as (port, host_key), ground.lent(port, host_key) as socket:
        assert (await ground.log_in(socket, port, "root"))[0] != 0
    assert [use.refused for use in ground.uses] == ["it is a login as somebody else"]


async def test_only_logins_are_signed(ground: Ground) -> None:
    async with (
        ground.server() as (port, host_key),
        ground.lent(port, host_key) as socket,
        asyncssh.connect_agent(socket) as agent,
    ):
        (key,) = await agent.get_keys()
        assert isinstance(key, asyncssh.SSHAgentKeyPair)
        with pytest.raises(ValueError, match="sign"):
            await key.sign_async(b"an artefact, a commit, another protocol's challenge")
    assert ground.uses[0].refused


async def test_keys_are_listed_without_their_comments_and_none_is_added(ground: Ground) -> None:
    new = asyncssh.generate_private_key("ssh-ed25519")
    async with (
        ground.server() as (port, host_key),
        ground.lent(port, host_key) as socket,
        asyncssh.connect_agent(socket) as agent,
    ):
        keys = await agent.get_keys()
        with pytest.raises(ValueError, match="add"):
            await agent.add_keys([new])
        with pytest.raises(ValueError, match="keys"):
            await agent.remove_all()
    assert [key.public_data for key in keys] == [ground.user_key.public_data]
    assert not any(key.get_comment_bytes() for key in keys)


async def test_a_bind_that_the_server_did_not_sign_proves_nothing(ground: Ground) -> None:
    async with ground.server() as (port, host_key), ground.lent(port, host_key) as socket:
        reader, writer = await asyncio.open_unix_connection(socket)
        forged = asyncssh.generate_private_key("ssh-ed25519").sign(b"session", b"ssh-ed25519")
        body = b"".join(
            map(string, (b"session-bind@openssh.com", host_key.public_data, b"session", forged))
        )
        writer.write(message(MessageKind.EXTENSION, body + b"\0"))
        assert await reader.readexactly(5) == message(MessageKind.FAILURE)
        writer.close()


async def test_an_endless_message_ends_the_connection(ground: Ground) -> None:
    async with ground.server() as (port, host_key), ground.lent(port, host_key) as socket:
        reader, writer = await asyncio.open_unix_connection(socket)
        writer.write(struct.pack(">I", 1 << 30))
        assert await reader.read() == b""
        writer.close()


async def test_without_the_users_agent_the_guest_has_none(ground: Ground) -> None:
    ground.agent = str(ground.place / "gone")
    async with ground.server() as (port, host_key), ground.lent(port, host_key) as socket:
        assert (await ground.log_in(socket, port))[0] != 0
    assert ground.uses == []


@given(st.binary(max_size=300))
def test_no_bytes_are_taken_for_a_login_or_a_bind(body: bytes) -> None:
    for read in (read_bind, read_sign_request, without_comments):
        try:
            found = read(body)
        except MessageError:
            continue
        assert found is None or body
