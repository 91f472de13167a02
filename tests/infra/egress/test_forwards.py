# SPDX-License-Identifier: Apache-2.0
"""Connections that the host begins, and services of the host's that the guest finds by name."""

import asyncio
import os
import signal
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bbox_server.domain.egress.event import BlockReason, CloseReason
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.portforward import PortForward
from bbox_server.infra.egress.process_relay import ProcessRelay, RelayProcess
from tests.infra.egress.guest_stack import (
    ACK,
    GATEWAY,
    GUEST,
    GUEST_MAC,
    RST,
    RefusedError,
    ethernet,
    guest_at,
    ipv4,
    tcp,
)
from tests.infra.egress.network import Network, World, network, server
from tests.infra.egress.test_process_relay import USER, spec_for

PORT = 3000


@asynccontextmanager
async def client_of(
    net: Network,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client at a forwarded port; its other end is handed to the link, as the relay does."""
    await net.guest.resolve("hello.test")
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    net.link.call(theirs, PORT)
    reader, writer = await asyncio.open_connection(sock=ours)
    yield reader, writer
    writer.close()


@pytest.mark.parametrize("mss", [65_480, 1460, 536])
async def test_a_client_of_the_host_s_talks_to_the_guest(mss: int) -> None:
    data = bytes(range(256)) * 2000
    async with network(World(), mss) as net, client_of(net) as (reader, writer):
        served = await net.guest.accept(PORT)
        assert served.remote[0] == GATEWAY
        writer.write(data)
        writer.write_eof()
        assert await served.rest() == data
        await served.send(data)
        served.finish()
        await net.guest.flushed()
        assert await reader.read() == data
        assert net.guest.bad_checksums == 0


async def test_a_guest_that_speaks_first_is_heard() -> None:
    async with network(World()) as net, client_of(net) as (reader, _):
        served = await net.guest.accept(PORT)
        await served.send(b"hello")
        assert await reader.readexactly(5) == b"hello"


async def test_a_port_that_the_guest_does_not_listen_on_hangs_up() -> None:
    async with network(World()) as net, client_of(net) as (reader, _):
        while not net.guest.others:
            await net.guest.changed()
        call = net.guest.others[0][34:]
        ports = struct.unpack_from("!HH", call)
        sequence = int.from_bytes(call[4:8], "big")
        for wrong in (1, 0):
            # What does not acknowledge the call is not about it (RFC 9293, 3.10.7.3).
            body = tcp((ports[1], ports[0]), (0, sequence + 1 + wrong), RST | ACK)
            net.guest.send(ethernet(ipv4(GATEWAY, 6, body)))
        await net.guest.flushed()
        assert await reader.read() == b""


async def test_a_call_is_no_name_that_a_policy_could_end() -> None:
    async with network(World()) as net, client_of(net) as (reader, _):
        served = await net.guest.accept(PORT)
        net.link.update(EgressPolicy(profile=EgressProfile.LOCKED))
        await served.send(b"still here")
        assert await reader.readexactly(10) == b"still here"
        assert net.events == []


async def test_a_guest_that_has_said_nothing_yet_is_asked_where_it_is() -> None:
    async with network(World()) as net:
        ours, theirs = socket.socketpair()
        theirs.settimeout(0)
        net.link.call(theirs, PORT)
        while not net.guest.others:
            await net.guest.changed()
        question = net.guest.others[0]
        assert (question[:6], question[12:14], question[-4:]) == (b"\xff" * 6, b"\x08\x06", GUEST)
        answer = bytes.fromhex("0001080006040002") + GUEST_MAC + GUEST + question[6:12] + GATEWAY
        net.guest.send(ethernet(answer, 0x0806))
        await net.guest.flushed()
        served = await net.guest.accept(PORT)
        ours.send(b"ping")
        assert await served.receive(4) == b"ping"
        ours.close()


async def test_clients_that_wait_for_a_silent_guest_are_few_and_let_go_with_it() -> None:
    ends = [socket.socketpair() for _ in range(17)]
    async with network(World()) as net:
        for ours, theirs in ends:
            ours.settimeout(0)
            net.link.call(theirs, PORT)
        assert ends[16][0].recv(1) == b""
        with pytest.raises(BlockingIOError):
            ends[15][0].recv(1)
    for ours, _ in ends:
        assert ours.recv(1) == b""
        ours.close()


async def test_a_client_that_leaves_resets_the_guest() -> None:
    async with network(World()) as net, client_of(net) as (_, writer):
        served = await net.guest.accept(PORT)
        writer.transport.abort()
        await served.send(b"x")
        while not served.is_reset:
            await net.guest.changed()
        assert not served.is_finished


async def test_calls_count_among_all_connections() -> None:
    async with network(World()) as net:
        await net.guest.resolve("hello.test")
        ends = [socket.socketpair() for _ in range(513)]
        for ours, theirs in ends:
            ours.settimeout(0)
            theirs.settimeout(0)
            net.link.call(theirs, PORT)
        assert ends[-1][0].recv(1) == b""
        with pytest.raises(BlockingIOError):
            ends[0][0].recv(1)
        for ours, _ in ends:
            ours.close()


async def test_a_forwarded_port_of_the_process_leads_into_the_guest(sandbox_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    forward = PortForward(host_port=port, guest_port=PORT)
    spec = replace(spec_for(sandbox_dir, World()), forwards=(forward,))
    async with ProcessRelay(user=USER).start(spec, lambda _: None):
        async with guest_at(spec.socket) as guest:
            await guest.resolve("hello.test")
            guest.listening.add(PORT)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            served = await guest.accept(PORT)
            writer.write(b"ping")
            assert await served.receive(4) == b"ping"
            await served.send(b"pong")
            assert await reader.readexactly(4) == b"pong"
            writer.close()
        with pytest.raises(ConnectionRefusedError):
            # 127.0.0.2 is this machine as well, and not what was asked for.
            await asyncio.open_connection("127.0.0.2", port)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_relay_that_died_leaves_no_port_that_hangs(sandbox_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    forward = PortForward(host_port=port, guest_port=PORT)
    spec = replace(spec_for(sandbox_dir, World()), forwards=(forward,))
    async with ProcessRelay(user=USER).start(spec, lambda _: None) as relay:
        assert isinstance(relay, RelayProcess)
        os.kill(relay.pid, signal.SIGKILL)
        await relay.wait()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_a_service_of_the_host_s_has_a_name_and_its_port() -> None:
    async with server() as port:
        service = HostService(name="tickets", port=port)
        world = World(services={port: port}, service_names=frozenset({service.host_name}))
        async with network(world) as net:
            answer = await net.guest.resolve(service.host_name)
            assert answer.address == GATEWAY
            connection = await net.guest.connect(answer.address, port)
            await connection.send(b"ping")
            assert await connection.receive(4) == b"ping"
            with pytest.raises(RefusedError):
                await net.guest.connect(answer.address, port + 1 if port < 65535 else 1)
            assert await net.reasons() == [BlockReason.PORT_NOT_ALLOWED]


@pytest.mark.parametrize("kind", [16, 28, 65])
async def test_a_service_s_name_has_an_address_and_nothing_else(kind: int) -> None:
    async with network(World(service_names=frozenset({"tickets.bbox.internal"}))) as net:
        answer = await net.guest.resolve("tickets.bbox.internal", kind)
        assert (answer.code, answer.count) == (0, 0)


async def test_a_service_that_does_not_run_is_refused() -> None:
    async with server() as port:
        pass
    async with network(World(services={port: port})) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect(GATEWAY, port)
        assert await net.reasons() == [BlockReason.UPSTREAM_REFUSED]
        assert not [event for event in net.events if event.close is CloseReason.DONE]
