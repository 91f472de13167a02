# SPDX-License-Identifier: Apache-2.0
"""Passes the guest's requests on to the providers, with the host's keys."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from bbox_server.domain.credential import (
    CredentialProxySpec,
    CredentialUse,
    ProviderId,
    ServedRoute,
)
from bbox_server.domain.forwarding import (
    METHODS,
    BodyScrubber,
    audit_path,
    find_route,
    holds_placeholder,
    may_ask,
    request_headers,
    response_headers,
    upstream_url,
)
from bbox_server.domain.key_limits import KeyUse, OverLimit
from bbox_server.infra.credential.connecting import connected
from bbox_server.infra.credential.held_keys import PAUSE_S, HeldKeys
from bbox_server.infra.credential.login_desk import LoginLostError

ACTIVE_LIMIT: Final = 64
"""Requests at once; an agent with a dozen sub-agents stays well below."""

CONNECT_TIMEOUT_S: Final = 10.0


class _RefusedError(Exception):
    """The proxy answers itself."""

    def __init__(self, status: int, reason: str, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(slots=True)
class _Tally:
    """What the audit line says of one request; it grows while the request passes."""

    provider: str = ""
    status: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    refused: str = ""


class Forwarder:
    """Handles each request of the guest."""

    def __init__(
        self,
        spec: CredentialProxySpec,
        session: aiohttp.ClientSession,
        outer_proxies: Mapping[ProviderId, str | None],
        audit: Callable[[CredentialUse], None],
        keys: HeldKeys,
    ) -> None:
        self._spec = spec
        self._keys = keys
        self._session = session
        self._outer_proxies = outer_proxies
        self._audit = audit
        self._active = 0
        self._use = KeyUse(limits=spec.limits)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, and report it whatever happens to it."""
        started = time.monotonic()
        tally = _Tally()
        self._active += 1
        try:
            return await self._answer(request, tally)
        finally:
            self._active -= 1
            self._use.add(tally.up_bytes + tally.down_bytes)
            self._audit(_use(request, tally, started))

    async def _answer(self, request: web.BaseRequest, tally: _Tally) -> web.StreamResponse:
        try:
            served, url = self._admit(request, tally)
            served = await self._with_key(served)
            return await self._forward(request, served, url, tally)
        except _RefusedError as refusal:
            tally.status, tally.refused = refusal.status, refusal.reason
            return _refusal(refusal)

    def _admit(self, request: web.BaseRequest, tally: _Tally) -> tuple[ServedRoute, str]:
        spec = self._spec
        if not holds_placeholder(request.headers.items(), spec.placeholder, spec.routes):
            raise _RefusedError(401, "placeholder", "This is not the placeholder of this run.")
        if self._active > ACTIVE_LIMIT:
            raise _RefusedError(503, "busy", f"More than {ACTIVE_LIMIT} requests at once.")
        if request.method not in METHODS:
            raise _RefusedError(405, "method", "The proxy does not pass this method on.")
        served = find_route(request.raw_path, self._spec.routes)
        if served is None:
            raise _RefusedError(404, "route", "No provider is served at this path.")
        tally.provider = served.route.provider
        url = upstream_url(request.raw_path, served)
        if url is None:
            raise _RefusedError(400, "path", "The path could leave the provider's base URL.")
        if not may_ask(request.raw_path, served):
            raise _RefusedError(403, "path", "A login is served for models, not for the account.")
        over = self._use.take(time.monotonic())
        if over is not None:
            raise _over(over)
        return served, url

    async def _with_key(self, served: ServedRoute) -> ServedRoute:
        try:
            return await self._keys.current(served)
        except LoginLostError as lost:
            raise _lost(lost) from lost

    async def _forward(
        self, request: web.BaseRequest, served: ServedRoute, url: str, tally: _Tally
    ) -> web.StreamResponse:
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        headers = request_headers(list(request.headers.items()), served)

        async def ask() -> aiohttp.ClientResponse:
            return await self._session.request(
                request.method,
                URL(url, encoded=True),
                headers=headers,
                data=_counted_body(request, tally) if request.can_read_body else None,
                proxy=self._outer_proxies[served.route.provider],
                allow_redirects=False,
            )

        try:
            upstream = await connected(ask, asyncio.sleep)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _unreachable(served, error) from error
        async with upstream:
            if upstream.status == HTTPStatus.UNAUTHORIZED and served.login is not None:
                await self._replace_key(served)
            return await _pass_down(request, upstream, served, tally)

    async def _replace_key(self, served: ServedRoute) -> None:
        """Say "again" where there is another token: the refused request was not answered."""
        try:
            is_replaced = await self._keys.replaced(served)
        except LoginLostError as lost:
            raise _lost(lost) from lost
        if is_replaced:
            raise _RefusedError(503, "renewed", "The login was renewed; ask again.", 1.0)


async def _counted_body(request: web.BaseRequest, tally: _Tally) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        tally.up_bytes += len(chunk)
        yield chunk


async def _pass_down(
    request: web.BaseRequest,
    upstream: aiohttp.ClientResponse,
    served: ServedRoute,
    tally: _Tally,
) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status)
    for name, value in response_headers(list(upstream.headers.items()), served):
        response.headers.add(name, value)
    tally.status = upstream.status
    await response.prepare(request)
    scrubber = BodyScrubber(served.key)
    try:
        async for chunk in upstream.content.iter_any():
            tally.down_bytes += len(chunk)
            await _write(response, scrubber.feed(chunk))
        await _write(response, scrubber.finish())
        await response.write_eof()
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        # The guest has to see that the answer is incomplete, and only a lost connection says so.
        tally.refused = "interrupted"
        if request.transport is not None:
            request.transport.close()
    return response


async def _write(response: web.StreamResponse, data: bytes) -> None:
    if data:
        await response.write(data)


def _unreachable(served: ServedRoute, error: Exception) -> _RefusedError:
    # The text of aiohttp's errors names host, port and the TLS fault, never a header.
    text = str(error).replace(served.key.value, "") or type(error).__name__
    return _RefusedError(502, "upstream", f"{served.route.provider} can't be reached: {text}")


def _lost(lost: LoginLostError) -> _RefusedError:
    # Clients repeat after 503; a login that is gone does not come back by itself.
    if lost.is_final:
        return _RefusedError(401, "login", lost.text)
    return _RefusedError(503, "login", lost.text, PAUSE_S)


def _over(over: OverLimit) -> _RefusedError:
    # Clients repeat after 429; a budget does not come back, so that they must not.
    if over.wait_s is None:
        return _RefusedError(403, "budget", over.text)
    return _RefusedError(429, "rate", over.text, over.wait_s)


def _refusal(refusal: _RefusedError) -> web.Response:
    # The shape that the providers' own clients know how to show.
    error = {"message": f"bbox: {refusal.message}", "type": "bbox", "code": refusal.reason}
    later = refusal.wait_s
    headers = {} if later is None else {"Retry-After": str(math.ceil(later))}
    return web.json_response({"error": error}, status=refusal.status, headers=headers)


def _use(request: web.BaseRequest, tally: _Tally, started: float) -> CredentialUse:
    return CredentialUse(
        provider=tally.provider,
        method=request.method[:16],
        path=audit_path(request.raw_path),
        status=tally.status,
        up_bytes=tally.up_bytes,
        down_bytes=tally.down_bytes,
        elapsed_ms=round((time.monotonic() - started) * 1000),
        refused=tally.refused,
    )
