# SPDX-License-Identifier: Apache-2.0
"""What every network relay keeps to."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import (
    GatewayService,
    HostOverride,
    NetworkRelay,
    RelaySpec,
    RunningRelay,
)
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.egress.process_relay import ProcessRelay, RelayProcess
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.fakes.egress import FakeNetworkRelay, FakeRunningRelay
from tests.infra.egress.guest_stack import GATEWAY, GuestStack, RefusedError, guest_at
from tests.infra.egress.network import echo, server

NAME = "a.test"
PORT = 7000
SERVICE = 4484
OWN = "tickets.bbox.internal"
OTHER = "b.test"


class Guest(Protocol):
    """Someone who tries to connect."""

    async def reaches(self, name: str, port: int) -> bool: ...

    async def reaches_gateway(self, port: int) -> bool: ...


class FakeGuest(Guest):
    def __init__(self, relay: FakeRunningRelay) -> None:
        self._relay = relay

    @override
    async def reaches(self, name: str, port: int) -> bool:
        return self._relay.connect(name, port)

    @override
    async def reaches_gateway(self, port: int) -> bool:
        return self._relay.connect_gateway(port)


class FramesGuest(Guest):
    def __init__(self, stack: GuestStack) -> None:
        self._stack = stack

    @override
    async def reaches(self, name: str, port: int) -> bool:
        return await self._connects((await self._stack.resolve(name)).address, port)

    @override
    async def reaches_gateway(self, port: int) -> bool:
        return await self._connects(GATEWAY, port)

    async def _connects(self, address: bytes, port: int) -> bool:
        try:
            await self._stack.connect(address, port)
        except RefusedError:
            return False
        return True


@dataclass(frozen=True)
class Setting:
    """A relay of either kind, and a spec with one name and one service."""

    relay: NetworkRelay
    spec: RelaySpec
    events: list[EgressEvent] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)

    def observe(self, event: EgressEvent) -> None:
        self.events.append(event)
        self.told.set()

    async def event(self, kind: EgressEventKind) -> EgressEvent:
        while True:
            for event in self.events:
                if event.kind is kind:
                    return event
            self.told.clear()
            await self.told.wait()

    @asynccontextmanager
    async def guest(self, running: RunningRelay) -> AsyncIterator[Guest]:
        if isinstance(running, FakeRunningRelay):
            yield FakeGuest(running)
        else:
            async with guest_at(self.spec.socket) as stack:
                yield FramesGuest(stack)


def policy(*names: str) -> EgressPolicy:
    rules = tuple(HostRule(name=name, ports=(PORT,), allow_private=True) for name in names)
    return EgressPolicy(profile=EgressProfile.STANDARD, rules=rules)


@pytest.fixture(params=["fake", "process"])
async def setting(request: pytest.FixtureRequest, sandbox_dir: Path) -> AsyncIterator[Setting]:
    user = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment=os.environ)
    fake = request.param == "fake"
    service = str(sandbox_dir / "service")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(service)
    os.chown(service, user.uid, user.gid)
    async with server() as port, await asyncio.start_unix_server(echo, sock=listener):
        spec = RelaySpec(
            session=SessionId("00000000"),
            socket=HostPath(str(sandbox_dir / "net")),
            policy=policy(NAME),
            services=(GatewayService(port=SERVICE, socket=HostPath(service)),),
            overrides=tuple(
                HostOverride(name=name, address="127.0.0.1", port=port) for name in (NAME, OTHER)
            ),
        )
        spec = replace(spec, host_services=(HostService(name="tickets", port=port),))
        yield Setting(FakeNetworkRelay() if fake else ProcessRelay(user=user), spec)


async def test_an_allowed_name_is_reached_and_told(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        assert await guest.reaches(NAME, PORT)
        opened = await setting.event(EgressEventKind.OPEN)
    assert (opened.host, opened.port, opened.rule) == (NAME, PORT, f"{NAME}:{PORT}")


@pytest.mark.parametrize(
    ("name", "port", "reason"),
    [
        (OTHER, PORT, BlockReason.HOST_NOT_IN_PROFILE),
        (NAME, PORT + 1, BlockReason.PORT_NOT_ALLOWED),
    ],
)
async def test_what_no_rule_allows_is_refused_and_told(
    setting: Setting, name: str, port: int, reason: BlockReason
) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        assert not await guest.reaches(name, port)
        blocked = await setting.event(EgressEventKind.BLOCKED)
    assert (blocked.host, blocked.port, blocked.reason) == (name, port, reason)
    assert blocked.can_be_allowed


async def test_a_declared_service_is_reached_at_the_gateway_and_no_other(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        assert await guest.reaches_gateway(SERVICE)
        assert not await guest.reaches_gateway(SERVICE + 1)


async def test_another_policy_counts_at_once(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        assert not await guest.reaches(OTHER, PORT)
        await running.update(policy(OTHER))
        assert await guest.reaches(OTHER, PORT)
        assert not await guest.reaches(NAME, PORT)


async def test_a_denied_name_is_refused_and_told_as_such(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        await running.let_ask(can_ask=True)
        await running.deny(Question(host=OTHER, port=PORT))
        assert not await guest.reaches(OTHER, PORT)
        blocked = await setting.event(EgressEventKind.BLOCKED)
    assert blocked.reason is BlockReason.DENIED_BY_USER


async def test_a_new_name_is_asked_for_where_someone_can_answer(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
        asyncio.TaskGroup() as group,
    ):
        await running.let_ask(can_ask=True)
        reaching = group.create_task(guest.reaches(OTHER, PORT))
        asked = await setting.event(EgressEventKind.ASK)
        await running.deny(Question(host=OTHER, port=PORT))
        assert not await reaching
    assert (asked.host, asked.port, asked.reason) == (OTHER, PORT, BlockReason.HOST_NOT_IN_PROFILE)


async def test_an_allowed_answer_outweighs_an_earlier_denial(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        await running.deny(Question(host=OTHER, port=PORT))
        await running.update(policy(OTHER))
        assert await guest.reaches(OTHER, PORT)


async def test_events_are_numbered(setting: Setting) -> None:
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        await guest.reaches(NAME, PORT)
        await guest.reaches(OTHER, PORT)
        await setting.event(EgressEventKind.BLOCKED)
    numbers = [event.id for event in setting.events]
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 1


async def end(running: RunningRelay) -> None:
    if isinstance(running, FakeRunningRelay):
        running.crash()
    elif isinstance(running, RelayProcess):
        os.kill(running.pid, signal.SIGKILL)


async def test_a_relay_that_dies_says_so_and_takes_no_policy(setting: Setting) -> None:
    async with setting.relay.start(setting.spec, setting.observe) as running:
        await end(running)
        assert "-9" in (await running.wait()).cause
        assert "-9" in (await running.wait()).cause
        with pytest.raises(BboxError) as raised:
            await running.update(policy())
    assert raised.value.code is ErrorCode.EGRESS_RELAY_FAILED


async def test_nothing_is_left_when_it_was_left(setting: Setting) -> None:
    async with setting.relay.start(setting.spec, setting.observe) as running:
        pass
    await running.wait()
    with socket.socket(socket.AF_UNIX) as late, pytest.raises(FileNotFoundError):
        late.connect(setting.spec.socket)


async def test_a_service_of_the_user_s_is_reached_by_its_name(setting: Setting) -> None:
    port = setting.spec.host_services[0].port
    async with (
        setting.relay.start(setting.spec, setting.observe) as running,
        setting.guest(running) as guest,
    ):
        assert await guest.reaches(OWN, port)
        assert not await guest.reaches(OWN, SERVICE + 1)
        assert not await guest.reaches("other.bbox.internal", port)


async def test_a_port_that_is_taken_can_not_be_forwarded(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    spec = replace(setting.spec, forwards=(PortForward(host_port=port, guest_port=80),))
    other = replace(spec, socket=HostPath(f"{spec.socket}2"))
    async with setting.relay.start(spec, setting.observe):
        with pytest.raises(BboxError) as raised:
            async with setting.relay.start(other, setting.observe):
                pass
    assert raised.value.code is ErrorCode.EGRESS_PORT_TAKEN
    async with setting.relay.start(other, setting.observe):
        pass
