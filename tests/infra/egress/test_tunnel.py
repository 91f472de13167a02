# SPDX-License-Identifier: Apache-2.0
"""Connections by way of a proxy that a test plays."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.event import BlockReason
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.egress.dial import Dialer, DialError, Target
from bbox_server.infra.egress.resolve import Resolution, Resolver
from bbox_server.infra.egress.tunnel import MAX_HEAD_BYTES, TunnelError, open_tunnel, status_of
from tests.infra.egress.guest_stack import RefusedError
from tests.infra.egress.network import World, echo, network, server

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass
class Proxy:
    """Answers CONNECT with what a test wants, then is the far side itself: an echo."""

    answer: bytes = OPENED
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        await echo(reader, writer)


@asynccontextmanager
async def by(proxy: Proxy, *, authorization: str = "") -> AsyncIterator[UpstreamProxy]:
    async with server(proxy) as port:
        yield UpstreamProxy(
            host="127.0.0.1", port=port, authorization=authorization, exceptions=("direct.test",)
        )


def world(proxy: UpstreamProxy, *rules: HostRule, permissive: bool = False) -> World:
    profile = EgressProfile.PERMISSIVE if permissive else EgressProfile.STANDARD
    return World(rules=rules, profile=profile, proxy=proxy)


async def test_a_name_that_only_the_proxy_knows_is_reached_through_it() -> None:
    proxy = Proxy()
    async with by(proxy, authorization="Basic eA==") as upstream:
        rule = HostRule(name="only-there.bbox.invalid", ports=(22,))
        async with network(world(upstream, rule)) as net:
            connection = await net.guest.connect_name("only-there.bbox.invalid", 22)
            await connection.send(b"ping")
            assert await connection.receive(4) == b"ping"
    lines = proxy.heads[0].decode().splitlines()
    assert lines[0] == "CONNECT only-there.bbox.invalid:22 HTTP/1.1"
    assert "Proxy-Authorization: Basic eA==" in lines


async def test_what_the_far_side_says_first_is_not_lost() -> None:
    async with by(Proxy(answer=OPENED + b"SSH-2.0-x\r\n")) as upstream:
        rule = HostRule(name="a.bbox.invalid", ports=(22,))
        async with network(world(upstream, rule)) as net:
            connection = await net.guest.connect_name("a.bbox.invalid", 22)
            assert await connection.receive(11) == b"SSH-2.0-x\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 407 Who?\r\n\r\n", b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200", b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", b"",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES,
    ],
    ids=["forbidden", "unauthorized", "ssh", "cut", "redirect", "nothing", "endless"],
)  # fmt: skip
async def test_a_proxy_that_opens_no_tunnel_is_told(answer: bytes) -> None:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with server(reply) as port:
        upstream = UpstreamProxy(host="127.0.0.1", port=port)
        async with network(world(upstream, HostRule(name="a.bbox.invalid"))) as net:
            with pytest.raises(RefusedError):
                await net.guest.connect_name("a.bbox.invalid", 443)
            assert await net.reasons() == [BlockReason.PROXY_REFUSED]


async def test_what_no_rule_allows_does_not_reach_the_proxy() -> None:
    proxy = Proxy()
    async with by(proxy) as upstream, network(world(upstream)) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect_name("evil.test", 443)
    assert proxy.heads == []


@pytest.mark.parametrize("name", ["localhost", "metadata"])
async def test_a_name_that_is_known_to_be_private_does_not_reach_the_proxy(name: str) -> None:
    answers = {"localhost": "127.0.0.1", "metadata": "169.254.169.254"}
    resolver = Resolver((), lambda asked: Resolution(addresses=(answers[asked],)))
    with pytest.raises(DialError) as raised:
        await Dialer(resolver, UpstreamProxy(host="192.0.2.1", port=1)).dial(
            Target(name=name, port=80)
        )
    assert raised.value.reason is BlockReason.RESOLVES_TO_PRIVATE


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
async def test_permissive_asks_the_proxy_for_no_private_address(address: str) -> None:
    proxy = Proxy()
    async with by(proxy) as upstream, network(world(upstream, permissive=True)) as net:
        with pytest.raises(RefusedError):
            await net.guest.connect(socket.inet_aton(address), 80)
    assert proxy.heads == []


async def test_permissive_reaches_a_public_address_through_it() -> None:
    proxy = Proxy()
    async with by(proxy) as upstream, network(world(upstream, permissive=True)) as net:
        await net.guest.connect(socket.inet_aton("1.1.1.1"), 8443)
    assert proxy.heads[0].startswith(b"CONNECT 1.1.1.1:8443 HTTP/1.1\r\n")


async def test_an_exception_is_dialled_directly() -> None:
    proxy = Proxy()
    async with server() as port, by(proxy) as upstream:
        resolver = Resolver((), lambda _: Resolution(addresses=("127.0.0.1",)))
        target = Target(name="a.direct.test", port=port, allow_private=True)
        with await Dialer(resolver, upstream).dial(target):
            pass
    assert proxy.heads == []


async def test_the_name_check_holds_behind_a_proxy_as_well() -> None:
    rule = HostRule(name="a.bbox.invalid")
    async with by(Proxy()) as upstream, network(world(upstream, rule)) as net:
        connection = await net.guest.connect_name("a.bbox.invalid", 80)
        await connection.send(b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n")
        assert await net.reasons() == [BlockReason.HTTP_HOST_MISMATCH]


async def test_another_policy_counts_behind_a_proxy_as_well() -> None:
    rule = HostRule(name="a.bbox.invalid", ports=(22,))
    async with by(Proxy()) as upstream, network(world(upstream, rule)) as net:
        connection = await net.guest.connect_name("a.bbox.invalid", 22)
        net.link.update(EgressPolicy(profile=EgressProfile.LOCKED))
        with pytest.raises(RefusedError):
            await connection.receive(1)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: b"HTTP/1.1 20" + rest))
def test_any_head_has_a_status_or_is_refused(head: bytes) -> None:
    try:
        status = status_of(head)
    except TunnelError:
        return
    assert 100 <= status < 600


@given(st.lists(st.binary(min_size=1, max_size=20), max_size=5))
def test_a_head_in_any_pieces_leaves_what_follows(pieces: list[bytes]) -> None:
    async def check() -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(0)
            theirs.settimeout(0)
            async with asyncio.TaskGroup() as group:
                opening = group.create_task(
                    open_tunnel(ours, UpstreamProxy(host="p", port=1), "a.test", 1)
                )
                for number, piece in enumerate((*_cut(OPENED, len(pieces) + 1), *pieces)):
                    theirs.send(piece)
                    if number % 2:
                        await asyncio.sleep(0)
                await opening
            theirs.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: ours.recv(4096), b""))

    assert asyncio.run(check()) == b"".join(pieces)


def _cut(data: bytes, count: int) -> list[bytes]:
    size = -(-len(data) // count)
    return [data[start : start + size] for start in range(0, len(data), size)]


async def test_a_proxy_that_resets_is_told() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with server(reset) as port:
        dialer = Dialer(Resolver((), lambda _: Resolution()), UpstreamProxy(host="h", port=port))
        with pytest.raises(DialError) as raised:
            await dialer.dial(Target(name="a.test", port=1))
    assert raised.value.reason is BlockReason.PROXY_REFUSED
