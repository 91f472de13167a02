# SPDX-License-Identifier: Apache-2.0
"""UDP in permissive, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEventKind, Transport
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import HostOverride
from tests.infra.egress.guest_stack import ethernet, ipv4, udp
from tests.infra.egress.network import Network, World, network, one_host

NAME = "a.test"
PORT = 7000
PERMISSIVE = EgressProfile.PERMISSIVE


class Echo:
    """Sends everything back, and remembers to whom."""

    def __init__(self, served: socket.socket) -> None:
        self.peers: set[tuple[str, int]] = set()
        self._served = served

    def on_readable(self) -> None:
        data, peer = self._served.recvfrom(1 << 16)
        self.peers.add(peer)
        self._served.sendto(data, peer)


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[int, Echo]]:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as served:
        served.bind(("127.0.0.1", 0))
        server = Echo(served)
        loop.add_reader(served, server.on_readable)
        try:
            yield served.getsockname()[1], server
        finally:
            loop.remove_reader(served)


async def exchanged(net: Network, address: bytes, payload: bytes, port: int = 9) -> bytes:
    net.guest.send(ethernet(ipv4(address, 17, udp((port, PORT), payload))))
    await net.guest.flushed()
    while payload not in net.guest.datagrams:
        await net.guest.changed()
    return payload


async def test_a_datagram_to_a_name_comes_back() -> None:
    async with echo() as (port, _), network(one_host(NAME, port, profile=PERMISSIVE)) as net:
        address = (await net.guest.resolve(NAME)).address
        assert await exchanged(net, address, b"a datagram of some length")
        assert await exchanged(net, address, b"x" * 9000)
        assert net.guest.bad_checksums == 0
        assert net.blocked() == []
        opened = await net.told(EgressEventKind.OPEN)
        assert (opened.host, opened.port, opened.transport) == (NAME, PORT, Transport.UDP)


async def test_one_port_of_the_guests_is_one_port_of_the_hosts() -> None:
    async with echo() as (port, server), network(one_host(NAME, port, profile=PERMISSIVE)) as net:
        address = (await net.guest.resolve(NAME)).address
        for source, payload in ((9, b"the first of them"), (9, b"the second"), (10, b"another")):
            await exchanged(net, address, payload, source)
        assert len(server.peers) == 2


async def test_a_name_that_leads_to_the_host_gets_no_datagram() -> None:
    overrides = (HostOverride(name=NAME, address="127.0.0.1"),)
    async with network(World(profile=PERMISSIVE, overrides=overrides)) as net:
        address = (await net.guest.resolve(NAME)).address
        net.guest.send(ethernet(ipv4(address, 17, udp((9, PORT), b"x"))))
        await net.guest.flushed()
        assert await net.reasons() == [BlockReason.RESOLVES_TO_PRIVATE]


@pytest.mark.parametrize(
    ("target", "port"),
    [("10.0.0.1", 7000), ("127.0.0.1", 7000), ("169.254.169.254", 80), ("8.8.8.8", 53)],
)
async def test_private_addresses_and_name_servers_get_none(target: str, port: int) -> None:
    async with network(World(profile=PERMISSIVE)) as net:
        net.guest.send(ethernet(ipv4(socket.inet_aton(target), 17, udp((9, port), b"x"))))
        await net.guest.flushed()
        assert await net.reasons() == [BlockReason.UDP_NOT_ALLOWED]


async def test_a_flood_of_ports_makes_few_sockets_and_few_events() -> None:
    async with echo() as (port, server), network(one_host(NAME, port, profile=PERMISSIVE)) as net:
        address = (await net.guest.resolve(NAME)).address
        for source in range(1000, 3000):
            net.guest.send(ethernet(ipv4(address, 17, udp((source, PORT), b"flood"))))
        await net.guest.flushed()
        assert await net.reasons() == [BlockReason.TOO_MANY_CONNECTIONS]
        assert len(server.peers) <= 128


async def test_a_stricter_policy_ends_them() -> None:
    async with echo() as (port, _), network(one_host(NAME, port, profile=PERMISSIVE)) as net:
        address = (await net.guest.resolve(NAME)).address
        await exchanged(net, address, b"still permissive")
        net.link.update(one_host(NAME, port).policy)
        net.guest.send(ethernet(ipv4(address, 17, udp((9, PORT), b"no more"))))
        await net.guest.flushed()
        assert await net.reasons() == [BlockReason.UDP_NOT_ALLOWED]
