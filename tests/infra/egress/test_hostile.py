# SPDX-License-Identifier: Apache-2.0
"""What a hostile guest sends, and that the network of its neighbour in time still works."""

import asyncio
import dataclasses
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.egress.event import BlockReason, EgressEventKind, Transport
from tests.infra.egress.guest_stack import (
    ACK,
    FIN,
    GATEWAY,
    GUEST,
    GUEST_MAC,
    RST,
    SYN,
    ethernet,
    ipv4,
    question,
    tcp,
    udp,
)
from tests.infra.egress.network import Network, World, network, one_host, server

NAME = "a.test"
PORT = 7000
PORTS = (1111, PORT)
FIRST = (1000, 0)


@asynccontextmanager
async def scene() -> AsyncIterator[tuple[Network, bytes]]:
    """A network with one allowed name, and its address."""
    async with server() as upstream, network(one_host(NAME, upstream)) as net:
        yield net, (await net.guest.resolve(NAME)).address


async def still_works(net: Network) -> None:
    """Everything sent before was looked at, and the next connection is fine."""
    connection = await net.guest.connect_name(NAME, PORT)
    await connection.send(b"ping")
    assert await connection.receive(4) == b"ping"
    connection.reset()
    await net.guest.flushed()


def syn(ports: tuple[int, int] = PORTS) -> bytes:
    return tcp(ports, FIRST, SYN)


def tagged(frame: bytes) -> bytes:
    return frame[:12] + b"\x81\x00\x00\x05" + frame[12:]


def frames_without_answer(address: bytes) -> dict[str, bytes]:
    broadcast = b"\xff\xff\xff\xff"
    claim = bytes.fromhex("0001080006040002") + GUEST_MAC + GATEWAY + GUEST_MAC + GUEST
    return {
        "spoofed source": ethernet(ipv4(address, 6, syn(), source=b"\xc0\xa8\x7f\x4d")),
        "the gateway's source": ethernet(ipv4(address, 6, syn(), source=GATEWAY)),
        "loopback source": ethernet(ipv4(address, 6, syn(), source=b"\x7f\0\0\1")),
        "another MAC": ethernet(ipv4(address, 6, syn()), source=b"\x02\0\0\0\0\2"),
        "a group MAC": ethernet(ipv4(address, 6, syn()), source=b"\xff" * 6),
        "the gateway's MAC": ethernet(
            ipv4(address, 6, syn()), source=bytes.fromhex("5a94efe40cee")
        ),
        "first of tiny fragments": ethernet(ipv4(address, 6, syn()[:8], fragment=0x2000)),
        "second of tiny fragments": ethernet(ipv4(address, 6, syn()[8:], fragment=1)),
        "overlapping fragment": ethernet(ipv4(address, 6, syn(), fragment=0x2001)),
        "evil bit": ethernet(ipv4(address, 6, syn(), fragment=0x8001)),
        "loose source route": ethernet(
            ipv4(address, 6, syn(), options=b"\x83\x07\x04\xc6\x33\x64\x0c\0")
        ),
        "router alert": ethernet(ipv4(address, 6, syn(), options=b"\x94\x04\0\0")),
        "VLAN": tagged(ethernet(ipv4(address, 6, syn()))),
        "QinQ": tagged(tagged(ethernet(ipv4(address, 6, syn())))),
        "PPPoE": ethernet(bytes(40), 0x8864),
        "IPv6": ethernet(b"\x60" + bytes(60), 0x86DD),
        "MPLS": ethernet(bytes(40), 0x8847),
        "LLDP": ethernet(bytes(40), 0x88CC),
        "IPv6 in an IPv4 frame": ethernet(b"\x60" + bytes(60)),
        "a length beyond the frame": ethernet(ipv4(address, 6, syn()))[:-4],
        "a length within the header": ethernet(b"\x45\0\0\x10" + bytes(40)),
        "an empty frame": b"",
        "a header alone": ethernet(b""),
        "truncated TCP": ethernet(ipv4(address, 6, syn()[:12])),
        "TCP options beyond the segment": ethernet(
            ipv4(address, 6, syn()[:12] + b"\xf0" + syn()[13:])
        ),
        "a TCP header within itself": ethernet(ipv4(address, 6, syn()[:12] + b"\x10" + syn()[13:])),
        "SYN and FIN": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, SYN | FIN))),
        "SYN and RST": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, SYN | RST))),
        "no flags": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, 0))),
        "FIN alone": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, FIN))),
        "all flags": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, 0xFF))),
        "FIN, PSH and URG": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, 0x29))),
        "a reset for nobody": ethernet(ipv4(address, 6, tcp(PORTS, FIRST, RST))),
        "DHCP": ethernet(ipv4(broadcast, 17, udp((68, 67), bytes(300)))),
        "mDNS": ethernet(ipv4(b"\xe0\0\0\xfb", 17, udp((5353, 5353), question("x.local")))),
        "a UDP length beyond the packet": ethernet(
            ipv4(GATEWAY, 17, struct.pack("!HHHH", 9, 53, 900, 0))
        ),
        "a UDP length of nothing": ethernet(ipv4(GATEWAY, 17, struct.pack("!HHHH", 9, 53, 0, 0))),
        "a DNS answer": ethernet(ipv4(GATEWAY, 17, udp((9, 53), b"\0\1\x81\x80" + bytes(30)))),
        "a DNS query for two names": ethernet(
            ipv4(GATEWAY, 17, udp((9, 53), question("a.b")[:5] + b"\2" + question("a.b")[6:]))
        ),
        "a DNS query in a loop": ethernet(
            ipv4(GATEWAY, 17, udp((9, 53), question("")[:12] + b"\xc0\x0c\0\1\0\1"))
        ),
        "a huge DNS query": ethernet(
            ipv4(GATEWAY, 17, udp((9, 53), question("a.b") + bytes(2000)))
        ),
        "a ping of another address": ethernet(ipv4(address, 1, b"\x08\0\0\0" + bytes(8))),
        "an ICMP redirect": ethernet(ipv4(GATEWAY, 1, b"\x05\x01\0\0" + bytes(8))),
        "an ICMP error about nothing": ethernet(ipv4(GATEWAY, 1, b"\x03\x04\0\0" + bytes(36))),
        "ARP that claims the gateway": ethernet(claim, 0x0806),
        "ARP for another address": ethernet(
            bytes.fromhex("0001080006040001") + GUEST_MAC + GUEST + bytes(6) + address, 0x0806
        ),
        "truncated ARP": ethernet(claim[:12], 0x0806),
    }


@pytest.mark.parametrize("case", list(frames_without_answer(b"\xc6\x12\0\1")))
async def test_what_does_not_exist_here_is_not_answered(case: str) -> None:
    async with scene() as (net, address):
        net.guest.send(frames_without_answer(address)[case])
        await still_works(net)
        assert net.guest.others == []
        assert net.guest.answers == {}
        assert net.blocked() == []


@pytest.mark.parametrize(
    ("protocol", "name"),
    [(132, "SCTP"), (41, "IPv6 in IPv4"), (47, "GRE"), (4, "IP in IP"), (50, "ESP"), (2, "IGMP")],
)
async def test_other_protocols_are_prohibited(protocol: int, name: str) -> None:
    async with scene() as (net, address):
        net.guest.send(ethernet(ipv4(address, protocol, bytes(40))))
        await still_works(net)
        (answer,) = net.guest.others
    assert answer[34:36] == b"\x03\x0d", name


@pytest.mark.parametrize("port", [443, 80, 123456 % 65536, 53])
async def test_datagrams_are_prohibited_and_told(port: int) -> None:
    async with scene() as (net, address):
        net.guest.send(ethernet(ipv4(address, 17, udp((9, port), b"quic"))))
        await still_works(net)
        assert net.guest.others[0][34:36] == b"\x03\x0d"
        (event,) = net.blocked()
    assert (event.host, event.port, event.transport) == (NAME, port, Transport.UDP)
    assert event.reason is BlockReason.UDP_NOT_ALLOWED


async def test_another_name_server_does_not_answer() -> None:
    async with scene() as (net, _):
        outside = socket.inet_aton("8.8.8.8")
        net.guest.send(ethernet(ipv4(outside, 17, udp((9, 53), question(NAME)))))
        await still_works(net)
        assert net.guest.answers == {}
        assert net.blocked()[0].reason is BlockReason.UDP_NOT_ALLOWED


@pytest.mark.parametrize(
    ("target", "port"), [(GATEWAY, 53), (GATEWAY, 22), (socket.inet_aton("8.8.8.8"), 853)]
)
async def test_other_ways_to_ask_for_names_are_refused(target: bytes, port: int) -> None:
    async with scene() as (net, _):
        connection = net.guest.open(target, port)
        await still_works(net)
        assert connection.is_reset
        assert len(net.blocked()) == 1


async def test_data_in_a_syn_is_not_taken() -> None:
    async with scene() as (net, address):
        connection = net.guest.open(address, PORT)
        body = tcp((connection.port, PORT), (1000, 0), SYN, payload=b"early")
        net.guest.send(ethernet(ipv4(address, 6, body)))
        await net.guest.flushed()
        await connection.until("is_open")
        await connection.send(b"later")
        assert await connection.receive(5) == b"later"


async def test_segments_for_nobody_are_reset() -> None:
    async with scene() as (net, address):
        body = tcp((5555, PORT), (7, 77), ACK, payload=b"stray")
        net.guest.send(ethernet(ipv4(address, 6, body)))
        await still_works(net)
        (reset,) = net.guest.others
    assert reset[14 + 20 + 13] == RST
    assert reset[14 + 20 + 4 : 14 + 20 + 8] == (77).to_bytes(4, "big")


async def test_a_length_that_no_frame_has_ends_the_link() -> None:
    async with scene() as (net, _):
        net.guest.send_raw(b"\xff\xff\xff\xff")
        await net.guest.flushed()
        while not net.guest.is_gone:
            await net.guest.changed()
        assert net.events[-1].kind is EgressEventKind.LINK_VIOLATION


async def test_a_flood_of_syns_makes_few_connections_and_few_events() -> None:
    accepted = 0

    async def counting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()

    async with server(counting) as upstream, network(one_host(NAME, upstream)) as net:
        address = (await net.guest.resolve(NAME)).address
        for port in range(20_000):
            net.guest.send(ethernet(ipv4(address, 6, syn((port + 1, PORT)))))
            if port % 500 == 0:
                await net.guest.flushed()
        await net.guest.flushed()
        assert (await net.told(EgressEventKind.FLOOD)).count == 1
        opened = [event for event in net.events if event.kind is EgressEventKind.OPEN]
        assert accepted <= 1200
        assert len(opened) <= 600
        assert len(net.events) <= 1300


async def test_connections_that_never_finish_their_handshake_are_bounded() -> None:
    async with scene() as (net, address):
        for port in range(390):
            net.guest.send(ethernet(ipv4(address, 6, syn((port + 1, PORT)))))
        await still_works(net)


async def test_a_flood_of_questions_is_answered_in_part() -> None:
    async with scene() as (net, address):
        for number in range(3000):
            query = question(f"h{number}.a.test", identifier=number + 1)
            net.guest.send(ethernet(ipv4(GATEWAY, 17, udp((9, 53), query))))
        await net.guest.flushed()
        connection = await net.guest.connect(address, PORT)
        assert connection.is_open
        assert len(net.guest.answers) <= 260


async def test_a_flood_of_datagrams_is_one_event_and_few_answers() -> None:
    async with scene() as (net, address):
        for _ in range(3000):
            net.guest.send(ethernet(ipv4(address, 17, udp((9, 443), b"quic"))))
        await still_works(net)
        assert len(net.blocked()) == 1
        assert len(net.guest.others) <= 260


async def test_blocked_names_without_number_are_few_events() -> None:
    async with network(World()) as net:
        for port in range(390):
            net.guest.send(ethernet(ipv4(bytes((9, 9, port // 200, port % 200)), 6, syn())))
        await net.guest.flushed()
        while len(net.blocked()) < 256:
            await net.events.next()
        await asyncio.sleep(0.05)
        assert len(net.events) <= 258


@given(st.lists(st.binary(max_size=120), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_frames_stop_the_link(frames: list[bytes]) -> None:
    async def run() -> None:
        async with scene() as (net, _):
            for frame in frames:
                net.guest.send(frame)
                net.guest.send(ethernet(frame))
                net.guest.send(ethernet(ipv4(GATEWAY, 17, udp((9, 53), frame))))
            await still_works(net)

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(8))
async def test_damaged_frames_of_a_real_connection_stop_nobody(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    async with scene() as (net, address):
        connection = await net.guest.connect(address, PORT)
        for _ in range(150):
            numbers = (connection.next, connection.expected)
            body = tcp((connection.port, PORT), numbers, ACK, payload=b"x" * 50)
            frame = bytearray(ethernet(ipv4(address, 6, body)))
            frame[chance.randrange(len(frame))] ^= 1 << chance.randrange(8)
            net.guest.send(bytes(frame))
        await still_works(net)


async def test_a_flood_of_unknown_names_while_someone_could_answer_asks_little() -> None:
    async with network(World(can_ask=True)) as net:
        addresses = [(await net.guest.resolve(f"n{number}.test")).address for number in range(150)]
        for number, address in enumerate(addresses):
            for port in (443, 22):
                net.guest.send(ethernet(ipv4(address, 6, syn((number + 1, port)))))
        await net.guest.flushed()
        await net.guest.resolve("last.test")
        asked = [event for event in net.events if event.kind is EgressEventKind.ASK]
        opened = [event for event in net.events if event.kind is EgressEventKind.OPEN]
        assert len(asked) == 16
        assert opened == []
        assert len(net.events) <= 16 + 258


async def test_a_flood_of_one_name_that_waits_leaves_room_for_others() -> None:
    async with server() as upstream:
        world = dataclasses.replace(one_host(NAME, upstream), can_ask=True)
        async with network(world) as net:
            address = (await net.guest.resolve("new.test")).address
            for port in range(380):
                net.guest.send(ethernet(ipv4(address, 6, syn((port + 1, PORT)))))
            await still_works(net)


CALLED = 3000


@asynccontextmanager
async def called() -> AsyncIterator[tuple[Network, socket.socket, tuple[int, int], int]]:
    """The host calls a port of the guest's: the client, and what the call's SYN has."""
    async with server() as upstream, network(one_host(NAME, upstream)) as net:
        await net.guest.resolve(NAME)
        client, ours = socket.socketpair()
        client.settimeout(0)
        ours.settimeout(0)
        net.link.call(ours, CALLED)
        while not net.guest.others:
            await net.guest.changed()
        call = net.guest.others[0][34:]
        remote, _, sequence = struct.unpack_from("!HHI", call)
        with client:
            yield net, client, (CALLED, remote), sequence + 1


@pytest.mark.parametrize(
    ("flags", "ahead", "payload"),
    [
        (SYN | ACK, 1, b""), (SYN | ACK, -1, b""), (SYN, 0, b""), (ACK, 0, b""),
        (ACK, 0, b"data"), (RST, 0, b""), (RST | ACK, 1, b""), (FIN | ACK, 0, b""),
    ],
    ids=["answer to another call", "answer to an older call", "both call", "no answer",
         "data at once", "reset of nothing", "reset of another call", "end at once"],
)  # fmt: skip
async def test_what_does_not_answer_a_call_opens_and_ends_nothing(
    flags: int, ahead: int, payload: bytes
) -> None:
    async with called() as (net, client, ports, expected):
        client.send(b"hush")
        body = tcp(ports, (5000, expected + ahead), flags, payload=payload)
        net.guest.send(ethernet(ipv4(GATEWAY, 6, body)))
        await still_works(net)
        with pytest.raises(BlockingIOError):
            client.recv(1)
        told = b"".join(net.guest.others)
        assert b"hush" not in told


async def test_a_guest_that_answers_a_call_twice_is_asked_about_it() -> None:
    async with called() as (net, client, ports, expected):
        for sequence in (5000, 9000):
            body = tcp(ports, (sequence, expected), SYN | ACK, payload=b"not taken")
            net.guest.send(ethernet(ipv4(GATEWAY, 6, body)))
        await still_works(net)
        with pytest.raises(BlockingIOError):
            client.recv(1)


async def test_the_guest_can_not_come_in_by_a_port_of_a_call() -> None:
    async with called() as (net, client, ports, _):
        body = tcp((CALLED + 1, ports[1]), FIRST, SYN)
        net.guest.send(ethernet(ipv4(GATEWAY, 6, body)))
        await still_works(net)
        assert [event.reason for event in net.blocked()] == [BlockReason.PORT_NOT_ALLOWED]
        with pytest.raises(BlockingIOError):
            client.recv(1)


async def test_a_name_that_looks_like_a_service_is_none() -> None:
    world = World(services={4000: 4000}, service_names=frozenset({"tickets.bbox.internal"}))
    async with network(world) as net:
        for name in ("x.tickets.bbox.internal", "tickets.bbox.internal.evil.test", "bbox.internal"):
            answer = await net.guest.resolve(name)
            assert answer.address != GATEWAY


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=10))
@settings(max_examples=40, deadline=None)
def test_no_answers_to_a_call_stop_the_link(answers: list[bytes]) -> None:
    async def run() -> None:
        async with called() as (net, _, ports, expected):
            for answer in answers:
                head = struct.pack("!HHII", *ports, 5000, expected)
                net.guest.send(ethernet(ipv4(GATEWAY, 6, head + answer)))
                flags = SYN | ACK if len(answer) % 2 else ACK
                body = tcp(ports, (5000, expected), flags, payload=answer)
                net.guest.send(ethernet(ipv4(GATEWAY, 6, body)))
            await still_works(net)

    asyncio.run(run())
