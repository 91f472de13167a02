# SPDX-License-Identifier: Apache-2.0
"""A provider on loopback, and a proxy in front of it, for the tests."""

import asyncio
import os
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from bbox_server.domain.credential import (
    OPENAI,
    CredentialProxySpec,
    PlaceholderToken,
    ProviderRoute,
    ServedRoute,
)
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.secret import Secret
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.credential.proxy import ProcessCredentialProxy, ProxyProcess
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.fakes.credential import RecordingObserver

KEY = "sk-the-real-key-0123456789"
PLACEHOLDER = PlaceholderToken("bbox-placeholder-of-this-run")
USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def echo(request: web.Request) -> web.StreamResponse:
    """What the provider got, as it got it."""
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": [list(header) for header in request.headers.items()],
            "body": (await request.read()).hex(),
        }
    )


@asynccontextmanager
async def provider(
    answer: Answer = echo, *, context: ssl.SSLContext | None = None, cancels: bool = False
) -> AsyncIterator[int]:
    """Listen on loopback; the port."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=cancels,
        shutdown_timeout=0.1,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Guest:
    """What the guest can do, and what the test sees of it."""

    session: aiohttp.ClientSession
    process: ProxyProcess
    socket: str
    observer: RecordingObserver = field(default_factory=RecordingObserver)

    async def ask(
        self, path: str = "/openai/v1/x", *, method: str = "GET", headers: object = None
    ) -> tuple[int, bytes]:
        extra = headers if isinstance(headers, dict) else {}
        async with self.session.request(method, f"http://gateway{path}", headers=extra) as answer:
            return answer.status, await answer.read()


@asynccontextmanager
async def proxied(
    upstream: str,
    environment: Mapping[str, str] | None = None,
    limits: KeyLimits | None = None,
    known: ProviderRoute = OPENAI,
) -> AsyncIterator[Guest]:
    """A running proxy for one provider with a key, and a guest that holds the placeholder."""
    served = ServedRoute(route=known.to(upstream), key=Secret(value=KEY))
    proxy = ProcessCredentialProxy(user=USER, environment=environment or {})
    async with running(proxy, served, limits) as guest:
        yield guest


@asynccontextmanager
async def running(
    proxy: ProcessCredentialProxy, served: ServedRoute, limits: KeyLimits | None = None
) -> AsyncIterator[Guest]:
    """A running proxy for one route, and a guest that holds the placeholder."""
    observer = RecordingObserver()
    with tempfile.TemporaryDirectory() as directory:
        spec = CredentialProxySpec(
            socket=HostPath(f"{directory}/keys"),
            placeholder=PLACEHOLDER,
            routes=(served,),
            limits=limits or KeyLimits(),
        )
        async with proxy.start(spec, observer) as process, _session(spec.socket) as session:
            assert isinstance(process, ProxyProcess)
            yield Guest(session, process, spec.socket, observer)


@asynccontextmanager
async def _session(socket: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        connector=aiohttp.UnixConnector(socket, limit=0),
        headers={"Authorization": f"Bearer {PLACEHOLDER}"},
        auto_decompress=False,
    ) as session:
        yield session


@asynccontextmanager
async def serving(
    answer: Answer, *, cancels: bool = False, limits: KeyLimits | None = None
) -> AsyncIterator[Guest]:
    """A proxy before a provider that answers so."""
    async with (
        provider(answer, cancels=cancels) as port,
        proxied(f"http://127.0.0.1:{port}/v1", limits=limits) as guest,
    ):
        yield guest


async def until_events(guest: Guest, count: int) -> None:
    """Wait until so many requests were reported."""
    async with asyncio.timeout(10):
        while len(guest.observer.events) < count:
            guest.observer.arrived.clear()
            await guest.observer.arrived.wait()
