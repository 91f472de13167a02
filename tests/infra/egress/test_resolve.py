# SPDX-License-Identifier: Apache-2.0
import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bbox_server.domain.egress.event import BlockReason, EgressEventKind
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import HostOverride
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.egress.dial import Dialer, DialError, Target
from bbox_server.infra.egress.names import NameTable
from bbox_server.infra.egress.nameserver import NameServer
from bbox_server.infra.egress.resolve import Resolution, Resolver, ask_system
from tests.infra.egress.guest_stack import Answer, question
from tests.infra.egress.network import World, network, server

LOOPBACK = Resolution(addresses=("127.0.0.1",))


class Oracle:
    """Answers when it is allowed to."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.asked: list[str] = []

    def __call__(self, name: str) -> Resolution:
        self.asked.append(name)
        self.go.wait()
        return LOOPBACK


@pytest.fixture
def oracle() -> Iterator[Oracle]:
    made = Oracle()
    yield made
    made.go.set()


async def test_the_same_question_twice_at_once_is_asked_once(oracle: Oracle) -> None:
    resolver = Resolver((), oracle)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(resolver.resolve("a.test")) for _ in range(5)]
        await asyncio.sleep(0)
        oracle.go.set()
    assert [task.result() for task in tasks] == [LOOPBACK] * 5
    assert oracle.asked == ["a.test"]


async def test_questions_that_hang_are_bounded(oracle: Oracle) -> None:
    resolver = Resolver((), oracle)
    async with asyncio.TaskGroup() as group:
        for number in range(96):
            group.create_task(resolver.resolve(f"{number}.test"))
        await asyncio.sleep(0)
        refused = await resolver.resolve("one-more.test")
        oracle.go.set()
    assert refused.is_temporary
    assert "one-more.test" not in oracle.asked


async def test_an_override_is_not_asked_for(oracle: Oracle) -> None:
    resolver = Resolver((HostOverride(name="a.test", address="10.0.0.1", port=9),), oracle)
    assert await resolver.resolve("a.test") == Resolution(addresses=("10.0.0.1",), port=9)
    assert oracle.asked == []


async def test_the_name_server_asks_for_no_more_than_32_at_once(oracle: Oracle) -> None:
    answers: list[Answer] = []
    policy = EgressPolicy(profile=EgressProfile.PERMISSIVE)
    async with asyncio.TaskGroup() as group:
        dialer = Dialer(Resolver((), oracle))
        names = NameServer(NameTable(), dialer, frozenset(), group)
        for number in range(100):
            message = question(f"{number}.test")
            names.ask(message, policy, lambda answer: answers.append(Answer(answer)))
        oracle.go.set()
    assert len(answers) == 32
    assert all(answer.address for answer in answers)


def test_a_name_that_does_not_exist_has_no_addresses() -> None:
    assert ask_system("nowhere.bbox.invalid").addresses == ()


def test_a_name_that_the_resolver_can_not_spell_has_no_addresses() -> None:
    assert ask_system("a" * 64 + ".test") == Resolution()


async def dialled(*addresses: str, port: int) -> str:
    resolver = Resolver((), lambda _: Resolution(addresses=addresses))
    target = Target(name="a.test", port=port, allow_private=True)
    with await Dialer(resolver).dial(target) as upstream:
        return str(upstream.getpeername()[0])


async def test_an_address_that_refuses_is_followed_by_the_next() -> None:
    async with server() as port:
        assert await dialled("::1", "127.0.0.2", "127.0.0.1", port=port) == "127.0.0.1"


async def test_an_address_that_is_silent_is_overtaken() -> None:
    # Nobody answers a SYN to TEST-NET-like private space; the next attempt starts meanwhile.
    async with server() as port:
        assert await dialled("10.255.255.1", "127.0.0.1", port=port) == "127.0.0.1"


async def test_when_all_refuse_the_last_reason_is_told() -> None:
    async with server() as port:
        pass
    with pytest.raises(DialError) as raised:
        await dialled("127.0.0.1", "::1", port=port)
    assert raised.value.reason is BlockReason.UPSTREAM_REFUSED


async def test_a_name_without_addresses_is_told() -> None:
    with pytest.raises(DialError) as raised:
        await dialled(port=1)
    assert raised.value.reason is BlockReason.RESOLVE_FAILED


async def test_only_the_public_addresses_of_a_name_are_dialled() -> None:
    resolver = Resolver((), lambda _: Resolution(addresses=("127.0.0.1", "10.0.0.1")))
    with pytest.raises(DialError) as raised:
        await Dialer(resolver).dial(Target(name="a.test", port=1))
    assert raised.value.reason is BlockReason.RESOLVES_TO_PRIVATE


@asynccontextmanager
async def server_v6() -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(server(address="::1"))
        except OSError:
            pytest.skip("this machine's loopback has no IPv6")
        yield port


async def test_a_host_that_has_ipv6_alone_is_reached_by_a_guest_that_has_none() -> None:
    async with server_v6() as port:
        override = HostOverride(name="six.test", address="::1", port=port)
        rule = HostRule(name="six.test", ports=(7000,), allow_private=True)
        async with network(World(rules=(rule,), overrides=(override,))) as net:
            connection = await net.guest.connect_name("six.test", 7000)
            await connection.send(b"ping")
            assert await connection.receive(4) == b"ping"
            opened = await net.told(EgressEventKind.OPEN)
            assert opened.real_address == "::1"
            connection.reset()
            await net.guest.flushed()
            await net.told(EgressEventKind.CLOSE)


async def test_a_family_that_is_broken_is_overtaken_by_the_other() -> None:
    # Nobody answers at a unique local address that is not ours; happy eyeballs (RFC 8305).
    async with server() as port:
        assert await dialled("fd00:bb0c::1", "127.0.0.1", port=port) == "127.0.0.1"
    async with server_v6() as port:
        assert await dialled("10.255.255.1", "::1", port=port) == "::1"
