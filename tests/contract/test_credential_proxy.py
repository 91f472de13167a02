# SPDX-License-Identifier: Apache-2.0
"""What every credential proxy keeps to."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bbox_server.domain.credential import (
    OPENAI,
    CredentialProxy,
    CredentialProxySpec,
    PlaceholderToken,
    ServedRoute,
)
from bbox_server.domain.secret import Secret
from bbox_server.domain.session import EventKind
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.credential.proxy import ProcessCredentialProxy
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.fakes.credential import FakeCredentialProxy, RecordingObserver

PLACEHOLDER = PlaceholderToken("stands-for-the-key")


@dataclass(frozen=True)
class Setting:
    """A proxy of either kind, and a spec for it with one provider that answers `{}`."""

    proxy: CredentialProxy
    spec: CredentialProxySpec
    observer: RecordingObserver


@pytest.fixture
def socket_directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


async def _answer(_: web.Request) -> web.Response:
    return web.Response(body=b"{}")


@asynccontextmanager
async def _provider() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(params=["fake", "process"])
async def setting(request: pytest.FixtureRequest, socket_directory: Path) -> AsyncIterator[Setting]:
    async with _provider() as url:
        user = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})
        proxy: CredentialProxy = (
            FakeCredentialProxy()
            if request.param == "fake"
            else ProcessCredentialProxy(user=user, environment={})
        )
        served = ServedRoute(route=OPENAI.to(f"{url}/v1"), key=Secret(value="the-real-key"))
        spec = CredentialProxySpec(
            socket=HostPath(str(socket_directory / "keys")),
            placeholder=PLACEHOLDER,
            routes=(served,),
        )
        yield Setting(proxy=proxy, spec=spec, observer=RecordingObserver())


async def _status(setting: Setting, path: str, *, key: str = PLACEHOLDER) -> int:
    connector = aiohttp.UnixConnector(setting.spec.socket)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"http://gateway{path}", headers={"Authorization": f"Bearer {key}"}) as answer,
    ):
        await answer.read()
        return answer.status


def _sockets(setting: Setting) -> list[str]:
    return [path.name for path in Path(setting.spec.socket).parent.iterdir() if path.is_socket()]


async def test_a_request_with_the_placeholder_reaches_the_provider(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        assert await _status(setting, "/openai/v1/models") == 200


async def test_a_request_without_the_placeholder_is_refused(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        assert await _status(setting, "/openai/v1/models", key="a-guess") == 401


async def test_a_path_below_no_route_is_not_found(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        assert await _status(setting, "/openai/v2/models") == 404


async def test_a_path_that_leaves_the_base_url_is_refused(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        assert await _status(setting, "/openai/v1/%252e%252e/admin") == 400


async def test_a_request_is_one_event_without_the_values_of_its_query(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        await _status(setting, "/openai/v1/models?after=private")
    ((kind, fields),) = setting.observer.events
    assert kind is EventKind.CREDENTIAL_USED
    assert (fields["provider"], fields["path"]) == ("openai", "/openai/v1/models?after")
    assert (fields["status"], fields["down_bytes"], fields["refused"]) == (200, 2, "")


async def test_a_refusal_is_an_event_with_its_reason(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        await _status(setting, "/openai/v1/models", key="a-guess")
    assert [fields["refused"] for _, fields in setting.observer.events] == ["placeholder"]


async def test_the_socket_is_there_only_while_the_proxy_runs(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer):
        assert _sockets(setting) == ["keys"]
    assert _sockets(setting) == []


async def test_a_running_proxy_does_not_end_by_itself(setting: Setting) -> None:
    async with setting.proxy.start(setting.spec, setting.observer) as running:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await running.wait()


def test_every_placeholder_is_another(setting: Setting) -> None:
    assert setting.proxy.new_placeholder() != setting.proxy.new_placeholder()
