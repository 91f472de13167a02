# SPDX-License-Identifier: Apache-2.0
"""The proxy's own process: `python -m bbox_server.infra.credential.serve`.

Standard input is the handover, standard output one JSON line when the socket listens and then one
a request. The process is killed with its parent (infra.process).
"""

import asyncio
import concurrent.futures.thread  # noqa: F401  # the first look-up of a name imports these two,
import encodings.idna  # noqa: F401  # and by then the right to read them may be given up
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from bbox_server.domain.credential import CredentialUse
from bbox_server.infra.credential.confine import (
    become,
    die_with,
    forbid_inspection,
    limit_resources,
)
from bbox_server.infra.credential.forwarder import CONNECT_TIMEOUT_S, Forwarder
from bbox_server.infra.credential.handover import Handover, decode
from bbox_server.infra.credential.held_keys import HeldKeys
from bbox_server.infra.credential.login_desk import desk_client, no_login
from bbox_server.infra.credential.report import AuditReport
from bbox_server.infra.credential.trust import client_context, outer_proxy

READY_LINE: Final = b'{"ready": true}\n'

HEADER_LINE_LIMIT: Final = 16_384
"""Bytes of one header or of the request line; the largest seen from an agent is 3 KB."""

SHUTDOWN_S: Final = 1.0


def main() -> None:
    """Serve until the parent says so or is gone."""
    parent = os.getppid()
    forbid_inspection()
    handover = decode(sys.stdin.buffer.read())
    # It is a file in memory that lives as long as a descriptor of it does.
    os.ftruncate(sys.stdin.fileno(), 0)
    asyncio.run(_serve(handover, parent))


async def _serve(handover: Handover, parent: int) -> None:
    stop = _until_told()
    report = AuditReport(sink=_say_use, now=time.monotonic)
    async with _client() as session, _listener(handover, session, report):
        limit_resources()
        become(handover.uid, handover.gid)
        die_with(parent)
        _say(READY_LINE)
        await stop.wait()
    report.finish()


def _until_told() -> asyncio.Event:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    return stop


@asynccontextmanager
async def _client() -> AsyncIterator[aiohttp.ClientSession]:
    # No total limit: a model may think for minutes before the first byte, and stream for longer.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
    connector = aiohttp.TCPConnector(ssl=client_context(os.environ), limit=0)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Content-Type", "Accept"),
        # Never `trust_env`: that reads ~/.netrc as well, and so adds keys of its own.
        trust_env=False,
        max_line_size=HEADER_LINE_LIMIT,
        max_field_size=HEADER_LINE_LIMIT,
    ) as session:
        yield session


@asynccontextmanager
async def _listener(
    handover: Handover, session: aiohttp.ClientSession, report: AuditReport
) -> AsyncIterator[None]:
    routes = [served.route for served in handover.spec.routes]
    proxies = {route.provider: outer_proxy(route.upstream, os.environ) for route in routes}
    renew = no_login if handover.logins is None else (await desk_client(handover.logins)).renew
    keys = HeldKeys(handover.spec.routes, renew, time.time, time.monotonic)
    forwarder = Forwarder(handover.spec, session, proxies, report.take, keys)
    server = web.Server(
        forwarder.handle,
        handler_cancellation=True,
        access_log=None,
        auto_decompress=False,
        max_line_size=HEADER_LINE_LIMIT,
        max_field_size=HEADER_LINE_LIMIT,
        lingering_time=1.0,
    )
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await _listen(runner, handover)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.ServerRunner, handover: Handover) -> None:
    path = Path(handover.spec.socket)
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, path).start()
    finally:
        os.umask(before)
    if os.geteuid() == 0:
        os.chown(path, handover.uid, handover.gid, follow_symlinks=False)


def _say_use(use: CredentialUse) -> None:
    _say(json.dumps(asdict(use)).encode() + b"\n")


def _say(line: bytes) -> None:
    os.write(sys.stdout.fileno(), line)


if __name__ == "__main__":
    main()
