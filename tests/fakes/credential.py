# SPDX-License-Identifier: Apache-2.0
"""A credential proxy in this process, without any provider behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from pathlib import Path

from typing_extensions import override

from bbox_server.domain.credential import (
    CredentialProxy,
    CredentialProxySpec,
    CredentialUse,
    PlaceholderToken,
    RunningProxy,
)
from bbox_server.domain.error import BboxError
from bbox_server.domain.forwarding import (
    METHODS,
    audit_path,
    find_route,
    holds_placeholder,
    upstream_url,
)
from bbox_server.domain.session import EventKind, EventValue, SessionObserver


@dataclass
class RecordingObserver(SessionObserver):
    """Keeps the events; `arrived` is set by each."""

    events: list[tuple[EventKind, Mapping[str, EventValue]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @override
    def event(self, kind: EventKind, fields: Mapping[str, EventValue]) -> None:
        self.events.append((kind, fields))
        self.arrived.set()


@dataclass
class FakeRunningProxy(RunningProxy):
    """Runs until a test says that it died."""

    failure: BboxError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def die(self, failure: BboxError) -> None:
        self.failure = failure
        self.ended.set()

    @override
    async def wait(self) -> None:
        await self.ended.wait()
        if self.failure is not None:
            raise self.failure


@dataclass
class FakeCredentialProxy(CredentialProxy):
    """Answers 200 with an empty JSON object where the real one would ask the provider.

    Attributes:
        start_failure: Raised by the next `start`.
        asked: URLs that the real one would have asked.
        running: The proxies that were started.
        specs: What they were started with.
    """

    start_failure: BboxError | None = None
    asked: list[str] = field(default_factory=list)
    running: list[FakeRunningProxy] = field(default_factory=list)
    specs: list[CredentialProxySpec] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    @override
    def new_placeholder(self) -> PlaceholderToken:
        return PlaceholderToken(f"placeholder-{next(self._numbers)}")

    @override
    @asynccontextmanager
    async def start(
        self, spec: CredentialProxySpec, observer: SessionObserver
    ) -> AsyncIterator[RunningProxy]:
        if self.start_failure is not None:
            raise self.start_failure
        self.specs.append(spec)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            use = self._use(spec, (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
            observer.event(EventKind.CREDENTIAL_USED, use.fields())
            head = f"HTTP/1.1 {use.status} x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n"
            writer.write(head.encode() + b"{}")
            await writer.drain()
            writer.close()

        server = await asyncio.start_unix_server(serve, spec.socket)
        proxy = FakeRunningProxy()
        self.running.append(proxy)
        try:
            yield proxy
        finally:
            server.close()
            _remove(spec.socket)

    def _use(self, spec: CredentialProxySpec, head: str) -> CredentialUse:
        request_line, *lines = head.split("\r\n")
        method, target, _ = request_line.split(" ")
        headers = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
        status, refused, provider = self._judge(spec, method, target, headers)
        return CredentialUse(
            provider=provider,
            method=method,
            path=audit_path(target),
            status=status,
            up_bytes=0,
            down_bytes=0 if refused else 2,
            elapsed_ms=0,
            refused=refused,
        )

    def _judge(
        self, spec: CredentialProxySpec, method: str, target: str, headers: list[tuple[str, str]]
    ) -> tuple[int, str, str]:
        served = find_route(target, spec.routes)
        if not holds_placeholder(headers, spec.placeholder):
            return HTTPStatus.UNAUTHORIZED, "placeholder", ""
        if method not in METHODS:
            return HTTPStatus.METHOD_NOT_ALLOWED, "method", ""
        if served is None:
            return HTTPStatus.NOT_FOUND, "route", ""
        url = upstream_url(target, served)
        if url is None:
            return HTTPStatus.BAD_REQUEST, "path", served.route.provider
        self.asked.append(url)
        return HTTPStatus.OK, "", served.route.provider


def _remove(socket: str) -> None:
    Path(socket).unlink(missing_ok=True)
