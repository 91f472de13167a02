# SPDX-License-Identifier: Apache-2.0
"""A relay's link in the test's own process, with a guest on it and servers behind it."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.domain.egress.relay import HostOverride
from bbox_server.domain.egress.rule import HostRule
from bbox_server.infra.egress.dial import Dialer
from bbox_server.infra.egress.events import Clocks, EventLog
from bbox_server.infra.egress.link import GuestLink
from bbox_server.infra.egress.link_context import HostSide
from bbox_server.infra.egress.questions import Questions
from bbox_server.infra.egress.resolve import Resolver
from tests.infra.egress.guest_stack import GuestStack, guest_on

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def server(handler: Handler = echo, address: str = "127.0.0.1") -> AsyncIterator[int]:
    """A loopback server; its port. Connections that are open at the end are aborted."""
    tasks: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks[asyncio.current_task()] = writer
        with suppress(ConnectionError):
            await handler(reader, writer)

    serving = await asyncio.start_server(handle, address, 0)
    async with serving:
        yield serving.sockets[0].getsockname()[1]
        for task, writer in tasks.items():
            writer.transport.abort()
            if task is not None:
                task.cancel()
                await asyncio.wait([task])


class Events(list[EgressEvent]):
    """Events that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = asyncio.Event()

    def add(self, event: EgressEvent) -> None:
        self.append(event)
        self._changed.set()

    async def next(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@dataclass
class Network:
    """What a test works with."""

    guest: GuestStack
    link: GuestLink
    events: Events
    questions: Questions

    async def reasons(self, count: int = 1) -> list[BlockReason | None]:
        """The reasons of the blocked events, once there are so many."""
        while len(self.blocked()) < count:
            await self.events.next()
        return [event.reason for event in self.blocked()]

    def blocked(self) -> list[EgressEvent]:
        return [event for event in self.events if event.kind is EgressEventKind.BLOCKED]

    async def told(self, kind: EgressEventKind) -> EgressEvent:
        while True:
            for event in self.events:
                if event.kind is kind:
                    return event
            await self.events.next()


@dataclass(frozen=True, kw_only=True)
class World:
    """Rules, and where names are."""

    rules: tuple[HostRule, ...] = ()
    profile: EgressProfile = EgressProfile.STANDARD
    overrides: tuple[HostOverride, ...] = ()
    services: dict[int, str | int] = field(default_factory=dict)
    service_names: frozenset[str] = frozenset()
    proxy: UpstreamProxy | None = None
    can_ask: bool = False

    @property
    def policy(self) -> EgressPolicy:
        return EgressPolicy(profile=self.profile, rules=self.rules)


def one_host(
    name: str, upstream_port: int, *, port: int = 7000, profile: EgressProfile | None = None
) -> World:
    """A world in which one name on one port is a loopback server."""
    return World(
        rules=(HostRule(name=name, ports=(port,), allow_private=True),),
        profile=profile or EgressProfile.STANDARD,
        overrides=(HostOverride(name=name, address="127.0.0.1", port=upstream_port),),
    )


@asynccontextmanager
async def network(world: World, mss: int = 65_480) -> AsyncIterator[Network]:
    loop = asyncio.get_running_loop()
    events = Events()
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(0)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            end.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
    resolver = Resolver(world.overrides)
    host = HostSide(
        services=world.services,
        service_names=world.service_names,
        dialer=Dialer(resolver, world.proxy),
        log=EventLog(events.add, Clocks(wall=time.time, monotonic=loop.time)),
        questions=Questions(loop.time),
        mtu=65_520,
    )
    host.questions.let_ask(can_ask=world.can_ask)
    link = GuestLink(ours, host, world.policy)
    async with asyncio.TaskGroup() as group:
        group.create_task(_serve(ours, link))
        async with guest_on(theirs, mss) as guest:
            yield Network(guest, link, events, host.questions)


async def _serve(ours: socket.socket, link: GuestLink) -> None:
    with ours:
        await link.run()
