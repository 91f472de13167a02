# SPDX-License-Identifier: Apache-2.0
"""A web host over TLS, on loopback: uploads, downloads, WebSockets, server-sent events."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import WSMsgType, web

BLOCK: Final = bytes(range(256)) * 256


def block_digest(count: int) -> str:
    """Of so many blocks."""
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(BLOCK)
    return digest.hexdigest()


async def take(request: web.Request) -> web.Response:
    """The digest of what was sent."""
    digest = hashlib.sha256()
    async for piece in request.content.iter_any():
        digest.update(piece)
    return web.Response(text=digest.hexdigest())


async def give(request: web.Request) -> web.StreamResponse:
    """So many blocks."""
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(int(request.match_info["count"])):
        await response.write(BLOCK)
    return response


async def talk(request: web.Request) -> web.WebSocketResponse:
    """Sends back what comes."""
    socket = web.WebSocketResponse(max_msg_size=1 << 24)
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
    return socket


class EventSource:
    """Two events: the first at once, the second when `next` is set."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.next = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        self.asked.set()
        await self.next.wait()
        await response.write(b"data: second\n\n")
        return response


@asynccontextmanager
async def web_host(certificate: Path) -> AsyncIterator[tuple[int, EventSource]]:
    """The port, and what sends its events."""
    events = EventSource()
    app = web.Application(client_max_size=1 << 40)
    app.router.add_put("/take", take)
    app.router.add_get("/give/{count}", give)
    app.router.add_get("/talk", talk)
    app.router.add_get("/events", events.answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield runner.addresses[0][1], events
    finally:
        events.next.set()
        await runner.cleanup()
