# SPDX-License-Identifier: Apache-2.0
"""A proxy in front of a real registry that does wrong what a test tells it to."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

import aiohttp
from aiohttp import web

from tests.infra.images.registry.real_registry import basic

TOKEN = "token-of-the-test"  # noqa: S105 (a test's)
IDENTITY = "identity-of-the-test"
BLOBS = "/blobs/"
MANIFESTS = "/manifests/"

Handler = Callable[[web.Request, "Answer"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Answer:
    """What the registry says."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    path: str
    headers: dict[str, str]


@dataclass
class FaultyProxy:
    """Passes requests on; a fault is for the next requests whose path has its text in it."""

    upstream: str
    address: str = ""
    wants_token: bool = False
    seen: list[Seen] = field(default_factory=list)
    token_requests: list[dict[str, list[str]]] = field(default_factory=list)
    _faults: list[tuple[str, Handler]] = field(default_factory=list)

    def fail(self, part: str, handler: Handler, times: int = 1) -> None:
        self._faults += [(part, handler)] * times

    def asked(self, part: str) -> list[Seen]:
        return [one for one in self.seen if part in one.path]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return await self._token(request)
        self.seen.append(Seen(request.path, dict(request.headers)))
        if self.wants_token and request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401, headers={"WWW-Authenticate": self.challenge})
        answer = await self._ask(request)
        for fault in self._faults:
            if fault[0] in request.path:
                self._faults.remove(fault)
                return await fault[1](request, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    @property
    def challenge(self) -> str:
        scope = "repository:tool:pull"
        return f'Bearer realm="http://{self.address}/token",service="tests",scope="{scope}"'

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = parse_qs((await request.read()).decode() or request.query_string)
        authorization = request.headers.get("Authorization", "")
        self.token_requests.append({**form, "authorization": [authorization]})
        known = {basic(), ""}
        if authorization not in known or form.get("refresh_token", [IDENTITY]) != [IDENTITY]:
            return web.Response(status=401)
        return web.json_response({"token": TOKEN})

    async def _ask(self, request: web.Request) -> Answer:
        headers = {
            name: request.headers[name] for name in ("Accept", "Range") if name in request.headers
        }
        url = f"http://{self.upstream}{request.path}"
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.get(url, headers=headers) as answer,
        ):
            body = await answer.read()
            kept = ("Content-Type", "Content-Range", "Docker-Content-Digest", "WWW-Authenticate")
            found = {name: answer.headers[name] for name in kept if name in answer.headers}
            return Answer(answer.status, found, body)


@asynccontextmanager
async def faulty(upstream: str) -> AsyncIterator[FaultyProxy]:
    proxy = FaultyProxy(upstream=upstream)
    runner = web.ServerRunner(web.Server(proxy.handle))  # type: ignore[arg-type]  # a plain handler
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        proxy.address = f"{host}:{port}"
        yield proxy
    finally:
        await runner.cleanup()


def says(status: int, **headers: str) -> Handler:
    """An answer of a status, and of headers with `_` for `-`."""

    async def handler(_: web.Request, __: Answer) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, headers=named)

    return handler


def gives(change: Callable[[bytes], bytes], *, keeps_range: bool = True) -> Handler:
    """The registry's answer with another body."""

    async def handler(_: web.Request, answer: Answer) -> web.StreamResponse:
        headers = answer.headers if keeps_range else {}
        return web.Response(status=answer.status, headers=headers, body=change(answer.body))

    return handler


def redirects_to(place: FaultyProxy) -> Handler:
    """The same path, elsewhere."""

    async def handler(request: web.Request, _: Answer) -> web.StreamResponse:
        location = f"http://{place.address}{request.path}"
        return web.Response(status=307, headers={"Location": location})

    return handler


def cut_after(count: int) -> Handler:
    """The connection ends when some of the body is sent."""

    async def handler(request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        await response.write(answer.body[:count])
        assert request.transport is not None
        # What is written goes out first.
        await asyncio.sleep(0.05)
        request.transport.abort()
        return response

    return handler


def whole_instead_of_range(body: bytes) -> Handler:
    """A registry that knows no ranges."""

    async def handler(_: web.Request, __: Answer) -> web.StreamResponse:
        return web.Response(status=200, body=body)

    return handler


def drips(pieces: int, pause_s: float) -> Handler:
    """The body in pieces, with a pause before each."""

    async def handler(request: web.Request, answer: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        response.content_length = len(answer.body)
        await response.prepare(request)
        size = len(answer.body) // pieces + 1
        for begin in range(0, len(answer.body), size):
            await asyncio.sleep(pause_s)
            await response.write(answer.body[begin : begin + size])
        return response

    return handler


def is_silent(pause_s: float) -> Handler:
    """Nothing for a long time."""

    async def handler(_: web.Request, __: Answer) -> web.StreamResponse:
        await asyncio.sleep(pause_s)
        return web.Response(status=500)

    return handler


def blob_path(digest: object) -> str:
    return f"{BLOBS}sha256:{re.sub('^sha256:', '', str(digest))}"
