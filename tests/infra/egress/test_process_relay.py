# SPDX-License-Identifier: Apache-2.0
"""The relay as a process: what it may do, and what is left of it."""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bbox_server.domain.egress.event import EgressEvent, EgressEventKind
from bbox_server.domain.egress.relay import RelaySpec
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.egress.process_relay import ProcessRelay, RelayProcess
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.infra.egress.guest_stack import RefusedError, guest_at
from tests.infra.egress.network import World, one_host, server

USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment=os.environ)


def spec_for(directory: Path, world: World) -> RelaySpec:
    return RelaySpec(
        session=SessionId("00000000"),
        socket=HostPath(str(directory / "net")),
        policy=world.policy,
        overrides=world.overrides,
    )


@asynccontextmanager
async def running(
    directory: Path, world: World, events: list[EgressEvent] | None = None
) -> AsyncIterator[RelayProcess]:
    told: list[EgressEvent] = [] if events is None else events
    async with ProcessRelay(user=USER).start(spec_for(directory, world), told.append) as relay:
        assert isinstance(relay, RelayProcess)
        yield relay


def proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def status(pid: int, key: str) -> str:
    found = re.search(rf"^{key}:\s*(.*)$", proc(pid, "status"), re.MULTILINE)
    assert found is not None
    return found[1]


async def test_it_is_the_sandbox_user_s_and_never_root_s(sandbox_dir: Path) -> None:
    async with running(sandbox_dir, World()) as relay:
        assert set(status(relay.pid, "Uid").split()) == {str(USER.uid)}
        assert set(status(relay.pid, "Gid").split()) == {str(USER.gid)}
        assert status(relay.pid, "NoNewPrivs") == "1"
        assert int(status(relay.pid, "CapEff"), 16) == 0


async def test_its_socket_is_for_the_sandbox_user_alone(sandbox_dir: Path) -> None:
    async with running(sandbox_dir, World()):
        found = (sandbox_dir / "net").stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == USER.uid


async def test_its_resources_are_limited(sandbox_dir: Path) -> None:
    async with running(sandbox_dir, World()) as relay:
        limits = proc(relay.pid, "limits")
    for name, value in (
        ("Max data size", 256 << 20),
        ("Max open files", 2048),
        ("Max file size", 0),
        ("Max core file size", 0),
    ):
        assert re.search(rf"{name}\s+{value}\s+{value}", limits)


async def test_nothing_of_the_rules_is_in_its_argv(sandbox_dir: Path) -> None:
    async with running(sandbox_dir, one_host("secret.test", 1)) as relay:
        argv = proc(relay.pid, "cmdline")
    assert "secret.test" not in argv


async def test_a_socket_that_can_not_be_made_is_a_failure_to_act_on(sandbox_dir: Path) -> None:
    with pytest.raises(BboxError, match="FileNotFoundError") as raised:
        async with running(sandbox_dir / "missing", World()):
            pass
    assert raised.value.code is ErrorCode.EGRESS_RELAY_FAILED


async def test_a_socket_left_by_a_killed_process_is_replaced(sandbox_dir: Path) -> None:
    (sandbox_dir / "net").touch()
    async with running(sandbox_dir, World()), guest_at(str(sandbox_dir / "net")) as guest:
        assert (await guest.resolve("a.test")).count == 1


async def test_a_machine_that_starts_again_is_served_again(sandbox_dir: Path) -> None:
    async with server() as port, running(sandbox_dir, one_host("a.test", port)):
        for _ in range(2):
            async with guest_at(str(sandbox_dir / "net")) as guest:
                connection = await guest.connect_name("a.test", 7000)
                await connection.send(b"ping")
                assert await connection.receive(4) == b"ping"


async def test_events_come_out_of_the_process(sandbox_dir: Path) -> None:
    events: list[EgressEvent] = []
    async with (
        server() as port,
        running(sandbox_dir, one_host("a.test", port), events),
        guest_at(str(sandbox_dir / "net")) as guest,
    ):
        connection = await guest.connect_name("a.test", 7000)
        connection.reset()
        await guest.flushed()
        with pytest.raises(RefusedError):
            await guest.connect_name("blocked.test", 443)
    kinds = {event.kind for event in events}
    assert {EgressEventKind.OPEN, EgressEventKind.BLOCKED} <= kinds


@pytest.mark.timeout(60)
async def test_a_greedy_guest_can_not_make_it_large(sandbox_dir: Path) -> None:
    async def never(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        server(never) as port,
        running(sandbox_dir, one_host("a.test", port)) as relay,
        guest_at(str(sandbox_dir / "net")) as guest,
    ):
        address = (await guest.resolve("a.test")).address
        for _ in range(180):
            connection = await guest.connect(address, 7000)
            while not connection.is_held_back:
                await connection.send(bytes(guest.mss))
        peak_kib = int(status(relay.pid, "VmHWM").split()[0])
        assert (await guest.resolve("a.test")).address == address
    assert peak_kib < 256 << 10


@pytest.mark.timeout(60)
async def test_a_guest_that_acknowledges_nothing_can_not_make_it_large(sandbox_dir: Path) -> None:
    block = bytes(1 << 16)

    async def pour(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(block)
                await writer.drain()

    async with (
        server(pour) as port,
        running(sandbox_dir, one_host("a.test", port)) as relay,
        guest_at(str(sandbox_dir / "net")) as guest,
    ):
        address = (await guest.resolve("a.test")).address
        for _ in range(120):
            connection = await guest.connect(address, 7000)
            # Its window is open and it takes the data, but it never says that it has it.
            connection.is_mute = True
        # All connections together may hold 96 MiB.
        while guest.muted_bytes < 90 << 20:
            await guest.changed()
        assert (await guest.resolve("a.test")).address == address
        peak_kib = int(status(relay.pid, "VmHWM").split()[0])
    assert peak_kib < 256 << 10


async def test_it_ends_with_its_host(sandbox_dir: Path) -> None:
    # The host's end of the relay's standard input goes with the host, however that ends.
    async with running(sandbox_dir, World()) as relay:
        relay._control.close()
        assert "ended with 0" in (await relay.wait()).cause
