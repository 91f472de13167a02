# SPDX-License-Identifier: Apache-2.0
"""What a guest gets through the relay, on real sockets."""

import asyncio
import hashlib
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bbox_server.domain.egress.event import (
    BlockReason,
    CloseReason,
    EgressEventKind,
)
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import HostOverride
from bbox_server.domain.egress.rule import HostRule
from tests.infra.egress.client_hello import made_hello, real_hello, record, server_names
from tests.infra.egress.guest_stack import GATEWAY, Connection, RefusedError
from tests.infra.egress.network import Network, World, echo, network, one_host, server

HTTPS = 443
HTTP = 80
MEBIBYTE = 1 << 20


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    async with server() as port:
        yield port


async def send_all(connection: Connection, data: bytes) -> None:
    await connection.send(data)
    connection.finish()
    await connection.guest.flushed()


async def echoed(net: Network, name: str, data: bytes) -> bytes:
    connection = await net.guest.connect_name(name, 7000)
    async with asyncio.TaskGroup() as group:
        group.create_task(send_all(connection, data))
        return await connection.rest()


async def test_a_name_has_one_address_for_all_its_ports(upstream: int) -> None:
    async with network(one_host("a.test", upstream)) as net:
        first = await net.guest.resolve("a.test")
        second = await net.guest.resolve("A.TEST")
    assert first.address == second.address
    assert first.address[:2] in (b"\xc6\x12", b"\xc6\x13")


@pytest.mark.parametrize("mss", [65_480, 1460, 536])
async def test_data_arrives_whole_both_ways(upstream: int, mss: int) -> None:
    data = os.urandom(2 * MEBIBYTE)
    async with network(one_host("a.test", upstream), mss) as net:
        got = await echoed(net, "a.test", data)
        assert net.guest.bad_checksums == 0
        closed = await net.told(EgressEventKind.CLOSE)
    assert hashlib.sha256(got).digest() == hashlib.sha256(data).digest()
    assert (closed.up_bytes, closed.down_bytes) == (len(data), len(data))
    assert closed.close is CloseReason.DONE


async def test_thirty_two_connections_at_once_keep_their_data_apart(upstream: int) -> None:
    blobs = [os.urandom(200_000) for _ in range(32)]
    async with network(one_host("a.test", upstream)) as net, asyncio.TaskGroup() as group:
        tasks = [group.create_task(echoed(net, "a.test", blob)) for blob in blobs]
    assert [task.result() for task in tasks] == blobs


async def test_a_guest_that_reads_slowly_gets_everything(upstream: int) -> None:
    data = os.urandom(3 * MEBIBYTE)
    async with network(one_host("a.test", upstream)) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        connection.advertised = 100_000
        async with asyncio.TaskGroup() as group:
            group.create_task(send_all(connection, data))
            got = await connection.rest()
    assert got == data


async def test_an_upstream_that_reads_slowly_holds_the_guest_back() -> None:
    begin = asyncio.Event()
    total = 0

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal total
        await begin.wait()
        while data := await reader.read(1 << 16):
            total += len(data)
        writer.write(b"done")
        writer.close()

    data = bytes(16 * MEBIBYTE)
    async with server(late) as port, network(one_host("a.test", port)) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        async with asyncio.TaskGroup() as group:
            group.create_task(send_all(connection, data))
            while not connection.is_held_back:
                await connection.next_change()
            assert connection.next < 16 * MEBIBYTE
            begin.set()
            assert await connection.rest() == b"done"
    assert total == len(data)


async def test_either_side_may_finish_first_and_still_read() -> None:
    async def upper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello ")
        writer.write_eof()
        seen.append(await reader.read())
        writer.close()

    seen: list[bytes] = []
    async with server(upper) as port, network(one_host("a.test", port)) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        assert await connection.rest() == b"hello "
        await send_all(connection, b"more")
        closed = await net.told(EgressEventKind.CLOSE)
    assert seen == [b"more"]
    assert closed.close is CloseReason.DONE


async def test_a_guest_that_resets_is_no_proper_end_upstream() -> None:
    ended: asyncio.Queue[Exception | bytes] = asyncio.Queue()

    async def waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ended.put_nowait(await reader.read())
        except ConnectionError as error:
            ended.put_nowait(error)
        writer.close()

    async with server(waiting) as port, network(one_host("a.test", port)) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        connection.reset()
        await net.guest.flushed()
        assert isinstance(await ended.get(), ConnectionResetError)
        assert (await net.told(EgressEventKind.CLOSE)).close is CloseReason.GUEST_RST


async def test_an_upstream_that_resets_resets_the_guest() -> None:
    async def rude(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected: socket.socket = writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async with server(rude) as port, network(one_host("a.test", port)) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        with pytest.raises(RefusedError):
            await connection.until("is_finished")


async def test_a_name_that_no_rule_has_is_refused_and_told() -> None:
    async with network(World()) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("evil.test", 8443)
        (event,) = net.blocked()
    assert (event.host, event.port) == ("evil.test", 8443)
    assert event.reason is BlockReason.HOST_NOT_IN_PROFILE
    assert event.can_be_allowed


async def test_another_port_of_an_allowed_name_is_refused(upstream: int) -> None:
    async with network(one_host("a.test", upstream)) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("a.test", 7001)
        assert await net.reasons() == [BlockReason.PORT_NOT_ALLOWED]


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "10.0.0.1", "127.0.0.1", "169.254.169.254", "198.18.99.99", "192.168.127.2"],
)
async def test_an_address_without_a_name_is_refused(address: str) -> None:
    async with network(World()) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect(socket.inet_aton(address), HTTPS)
        assert await net.reasons() == [BlockReason.DIRECT_IP]


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "100.64.0.1", "::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1", "fe80::1", "2002:7f00:1::1"),
    ],
)
@pytest.mark.parametrize("profile", [EgressProfile.STANDARD, EgressProfile.PERMISSIVE])
async def test_an_allowed_name_may_not_lead_to_a_private_address(
    address: str, profile: EgressProfile
) -> None:
    world = World(
        rules=(HostRule(name="rebind.test", ports=(7000,)),),
        profile=profile,
        overrides=(HostOverride(name="rebind.test", address=address),),
    )
    async with network(world) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("rebind.test", 7000)
        assert await net.reasons() == [BlockReason.RESOLVES_TO_PRIVATE]


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1"])  # noqa: S104 - dialled, never bound
async def test_a_rule_for_private_addresses_does_not_open_metadata(address: str) -> None:
    world = World(
        rules=(HostRule(name="meta.test", ports=(7000,), allow_private=True),),
        overrides=(HostOverride(name="meta.test", address=address),),
    )
    async with network(world) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("meta.test", 7000)
        assert await net.reasons() == [BlockReason.RESOLVES_TO_PRIVATE]


async def test_permissive_refuses_private_addresses_without_a_name(upstream: int) -> None:
    async with network(World(profile=EgressProfile.PERMISSIVE)) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect(b"\x7f\x00\x00\x01", upstream)
        assert await net.reasons() == [BlockReason.DIRECT_IP]


async def test_an_upstream_that_refuses_is_told(upstream: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with network(one_host("a.test", port)) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("a.test", 7000)
        assert await net.reasons() == [BlockReason.UPSTREAM_REFUSED]
    assert upstream != port


async def test_a_declared_service_is_a_port_of_the_gateway() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "service")
        async with (
            await asyncio.start_unix_server(echo, path),
            network(World(services={4484: path})) as net,
        ):
            connection = await net.guest.connect(GATEWAY, 4484)
            await send_all(connection, b"key please")
            assert await connection.rest() == b"key please"
            with pytest.raises(RefusedError):
                await net.guest.connect(GATEWAY, 4485)
            assert await net.reasons() == [BlockReason.PORT_NOT_ALLOWED]


async def test_a_service_that_is_gone_is_refused() -> None:
    async with network(World(services={4484: "/nonexistent/service"})) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect(GATEWAY, 4484)
        assert await net.reasons() == [BlockReason.UPSTREAM_REFUSED]


async def checked(net: Network, port: int, data: bytes) -> bytes:
    connection = await net.guest.connect_name("a.test", port)
    await connection.send(data)
    return await connection.receive(len(data))


@pytest.mark.parametrize(
    ("port", "data"),
    [
        (HTTPS, real_hello("a.test")),
        (HTTP, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (HTTP, b"POST / HTTP/1.1\r\nHost: A.test:80\r\n\r\nbody"),
    ],
    ids=["TLS", "HTTP", "HTTP with a port and a body"],
)
async def test_the_right_name_passes_with_all_its_bytes(
    upstream: int, port: int, data: bytes
) -> None:
    async with network(one_host("a.test", upstream, port=port)) as net:
        assert await checked(net, port, data) == data


async def test_a_hello_in_single_bytes_passes(upstream: int) -> None:
    hello = record(made_hello(server_names(b"a.test")))
    async with network(one_host("a.test", upstream, port=HTTPS)) as net:
        connection = await net.guest.connect_name("a.test", HTTPS)
        for place in range(len(hello)):
            await connection.send(hello[place : place + 1])
        assert await connection.receive(len(hello)) == hello


@pytest.mark.parametrize(
    ("port", "data", "reason"),
    [
        (HTTPS, real_hello("evil.test"), BlockReason.SNI_MISMATCH),
        (HTTPS, real_hello(None), BlockReason.NO_SNI),
        (HTTPS, b"SSH-2.0-tunnel\r\n", BlockReason.NO_CLIENT_HELLO),
        (HTTPS, b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", BlockReason.NO_CLIENT_HELLO),
        (HTTP, b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", BlockReason.HTTP_HOST_MISMATCH),
        (HTTP, real_hello("a.test"), BlockReason.HTTP_HOST_MISMATCH),
    ],
    ids=["other SNI", "no SNI", "SSH", "HTTP on 443", "other Host", "TLS on 80"],
)
async def test_another_name_ends_the_connection_before_upstream_sees_a_byte(
    port: int, data: bytes, reason: BlockReason
) -> None:
    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.put_nowait(await reader.read())
        except ConnectionError:
            seen.put_nowait(b"")
        writer.close()

    seen: asyncio.Queue[bytes] = asyncio.Queue()
    async with (
        server(listening) as upstream,
        network(one_host("a.test", upstream, port=port)) as net,
    ):
        with pytest.raises(RefusedError):
            await checked(net, port, data)
        assert await net.reasons() == [reason]
        assert await seen.get() == b""


async def test_a_name_in_an_event_can_not_drive_a_terminal(upstream: int) -> None:
    hello = record(made_hello(server_names(b"\x1b[31mevil")))
    async with network(one_host("a.test", upstream, port=HTTPS)) as net:
        with pytest.raises(RefusedError):
            await checked(net, HTTPS, hello)
        assert net.blocked()[0].sni == "\\x1b[31mevil"


async def test_permissive_does_not_look_at_names(upstream: int) -> None:
    world = one_host("a.test", upstream, port=HTTPS, profile=EgressProfile.PERMISSIVE)
    async with network(world) as net:
        assert await checked(net, HTTPS, b"SSH-2.0-x\r\n") == b"SSH-2.0-x\r\n"


async def test_a_new_policy_ends_connections_and_admits_others(upstream: int) -> None:
    world = one_host("a.test", upstream)
    async with network(world) as net:
        connection = await net.guest.connect_name("a.test", 7000)
        net.link.update(World().policy)
        with pytest.raises(RefusedError):
            await connection.until("is_finished")
        assert (await net.told(EgressEventKind.CLOSE)).close is CloseReason.POLICY_CHANGE
        with pytest.raises(RefusedError):
            await net.guest.connect_name("a.test", 7000)
        net.link.update(world.policy)
        await net.guest.connect_name("a.test", 7000)


@pytest.mark.parametrize(
    ("name", "kind", "code", "count"),
    [
        ("a.test", 1, 0, 1),
        ("a.test", 28, 0, 0),
        ("a.test", 16, 0, 0),
        ("a.test", 65, 0, 0),
        ("blocked.test", 1, 0, 1),
        ("blocked.test", 28, 0, 0),
        ("single", 1, 3, 0),
        ("x y.test", 1, 3, 0),
        ("1.0.0.127.in-addr.arpa", 12, 0, 0),
        ("", 2, 3, 0),
    ],
)
async def test_the_name_server_has_addresses_and_nothing_else(
    upstream: int, name: str, kind: int, code: int, count: int
) -> None:
    async with network(one_host("a.test", upstream)) as net:
        answer = await net.guest.resolve(name, kind)
    assert (answer.code, answer.count) == (code, count)


async def test_an_allowed_name_that_does_not_exist_does_not_exist_for_the_guest() -> None:
    async with network(World(rules=(HostRule(name="*.bbox.invalid"),))) as net:
        answer = await net.guest.resolve("nowhere.bbox.invalid")
    assert answer.code in {2, 3}
    assert answer.count == 0
