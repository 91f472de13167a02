# SPDX-License-Identifier: Apache-2.0
"""The network of a booted guest: its kernel, QEMU's stream and the relay."""

import hashlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
import pytest_asyncio
from aiohttp import web

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import GatewayService, HostOverride, RelaySpec
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.egress.process_relay import ProcessRelay
from tests.vm.booted import BUSYBOX, Booted, House, booted, make_house, say
from tests.vm.guest_host import sandbox_user

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]

FILES = "files.test"
BLOB = os.urandom(4 << 20)
SERVICE_PORT = 4484


@dataclass
class Networked:
    """A booted guest with a network, and what that told."""

    sandbox: Booted
    events: list[EgressEvent] = field(default_factory=list)

    async def say(self, script: str) -> str:
        async with self.sandbox.shell() as shell:
            return await say(shell, script)


async def blob(_: web.Request) -> web.Response:
    return web.Response(body=BLOB)


async def greeting(_: web.Request) -> web.Response:
    return web.Response(body=b"at your service\n")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest() -> AsyncIterator[Networked]:
    app = web.Application()
    app.router.add_get("/blob", blob)
    app.router.add_get("/service", greeting)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    with make_house() as made:
        service = str(made.root / "run/service")
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await web.UnixSite(runner, service).start()
        os.chown(service, sandbox_user().uid, sandbox_user().gid)
        spec = relay_spec(made, runner.addresses[0][1], service)
        events: list[EgressEvent] = []
        house = replace(made, spec=replace(made.spec, network_socket=spec.socket))
        async with (
            ProcessRelay(user=sandbox_user()).start(spec, events.append),
            booted(house) as sandbox,
        ):
            yield Networked(sandbox, events)
        await runner.cleanup()


def relay_spec(house: House, port: int, service: str) -> RelaySpec:
    rule = HostRule(name=FILES, ports=(80,), allow_private=True)
    return RelaySpec(
        session=house.spec.session,
        socket=HostPath(str(house.root / "run/relay")),
        policy=EgressPolicy(profile=EgressProfile.STANDARD, rules=(rule,)),
        services=(GatewayService(port=SERVICE_PORT, socket=HostPath(service)),),
        overrides=(HostOverride(name=FILES, address="127.0.0.1", port=port),),
    )


async def test_a_file_arrives_whole(guest: Networked) -> None:
    said = await guest.say(f"{BUSYBOX} wget -q -O- http://{FILES}/blob | {BUSYBOX} sha256sum")
    assert said.split()[0] == hashlib.sha256(BLOB).hexdigest()


async def test_a_service_of_the_host_is_at_the_gateway(guest: Networked) -> None:
    url = f"http://192.168.127.1:{SERVICE_PORT}/service"
    assert await guest.say(f"{BUSYBOX} wget -q -O- {url}") == "at your service\n"


async def test_what_is_not_allowed_is_refused_and_told(guest: Networked) -> None:
    said = await guest.say(
        f"{BUSYBOX} wget -q -O- http://evil.test:8443/ 2>&1; "
        f"{BUSYBOX} wget -q -O- http://127.0.0.1.evil.test/ 2>&1; "
        f"{BUSYBOX} wget -q -O- http://1.1.1.1/ 2>&1; true"
    )
    assert said.count("refused") == 3
    blocked = {
        (event.host, event.port, event.reason)
        for event in guest.events
        if event.kind is EgressEventKind.BLOCKED
    }
    assert blocked == {
        ("evil.test", 8443, BlockReason.HOST_NOT_IN_PROFILE),
        ("127.0.0.1.evil.test", 80, BlockReason.HOST_NOT_IN_PROFILE),
        (None, 80, BlockReason.DIRECT_IP),
    }


async def test_another_host_name_on_an_allowed_address_is_refused(guest: Networked) -> None:
    header = "Host: evil.test"
    said = await guest.say(
        f"{BUSYBOX} wget -q -O- --header '{header}' http://{FILES}/blob 2>&1 || true"
    )
    assert "reset" in said
    reasons = [event.reason for event in guest.events if event.host == FILES and event.reason]
    assert reasons == [BlockReason.HTTP_HOST_MISMATCH]
