# SPDX-License-Identifier: Apache-2.0
"""HTTP with one registry: TLS, proxies, redirects, tries."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from bbox_server.domain.error import BboxError
from bbox_server.infra.images.faults import corrupt
from bbox_server.infra.images.registry.addresses import AddressRefusedError, GuardedResolver
from bbox_server.infra.images.registry.endpoints import Endpoint
from bbox_server.infra.images.registry.faults import (
    TryAgainError,
    absent,
    denied,
    failed,
    limited,
    unreachable,
    untrusted,
)

_T = TypeVar("_T")

_REDIRECT_LIMIT: Final = 5
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_READ_BYTES: Final = 64 * 1024

_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TIMED_OUT: Final = 408
_LIMITED: Final = 429
_SERVER_ERROR: Final = 500
_GOOD: Final = frozenset({200, 206, 416})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a registry is waited for.

    Attributes:
        silence_s: Without a byte; a slow download that goes on is none.
        tries: In a row without progress.
        pause_s: Before the second; each further one is twice as long.
        wait_s: The longest that a registry may ask for.
    """

    connect_s: float = 15.0
    silence_s: float = 30.0
    tries: int = 5
    pause_s: float = 0.5
    wait_s: float = 30.0

    async def keep_trying(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """What an attempt gives that doesn't ask for another one. Raises: the last one's error."""
        tries = 0
        while True:
            try:
                return await attempt()
            except TryAgainError as again:
                tries += 1
                await self.pause(again, tries)

    async def pause(self, again: TryAgainError, tries: int) -> None:
        """Wait before the next try. Raises: the error, when there is none."""
        wait_s = self.pause_s * 2 ** (tries - 1) if again.wait_s is None else again.wait_s
        if tries >= self.tries or wait_s > self.wait_s:
            raise again.error from again
        await asyncio.sleep(wait_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One GET, or a POST of a form."""

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Connections to one endpoint and to where it leads.

    Attributes:
        base: Of the registry's API.
    """

    endpoint: Endpoint
    session: aiohttp.ClientSession = field(repr=False)
    guard: GuardedResolver
    patience: Patience
    base: URL

    @asynccontextmanager
    async def ask(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, whatever its status, redirects followed.

        Raises:
            TryAgainError: there is no answer.
            BboxError: image.registry-failed.
        """
        host = request.url.host_port_subcomponent or self.endpoint.host
        try:
            response = await self._follow(request)
            async with response:
                yield response
        except aiohttp.ClientConnectorCertificateError as error:
            raise untrusted(host, str(error.certificate_error)) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
            if isinstance(cause, AddressRefusedError):
                raise failed(host, f"it leads into a private network: {cause}") from error
            raise TryAgainError(unreachable(host, _why(error))) from error

    async def _follow(self, request: Request) -> aiohttp.ClientResponse:
        url, headers = request.url, dict(request.headers)
        for _ in range(_REDIRECT_LIMIT):
            response = await self.session.request(
                "GET" if request.form is None else "POST",
                url,
                headers=headers,
                data=request.form,
                proxy=outer_proxy(url),
                allow_redirects=False,
            )
            if response.status not in _REDIRECTS:
                return response
            location = response.headers.get("Location", "")
            response.close()
            following = self._next(url, location)
            if following.origin() != url.origin():
                # Storage elsewhere has its own signature in the URL, and must not see the token.
                headers.pop("Authorization", None)
            url = following
        raise failed(self.endpoint.host, f"it redirects more than {_REDIRECT_LIMIT} times")

    def _next(self, url: URL, location: str) -> URL:
        try:
            following = url.join(URL(location))
        except ValueError as error:
            raise failed(self.endpoint.host, "it redirects to what is no URL") from error
        self.admit(following)
        return following

    def admit(self, url: URL) -> None:
        """Check where a registry leads. Raises: image.registry-failed."""
        if url.scheme != "https" and not (url.scheme == "http" and self.endpoint.insecure):
            raise failed(self.endpoint.host, f"it leads to {url.scheme or 'no'} instead of https")
        if not url.host or not self.guard.admits(url.host):
            raise failed(self.endpoint.host, f"it leads into a private network: {url.host}")


@asynccontextmanager
async def connect(endpoint: Endpoint, patience: Patience) -> AsyncIterator[Transport]:
    """A transport for as long as the context lasts. Nothing is kept of cookies.

    Raises:
        BboxError: image.registry-failed when the endpoint is no host.
    """
    try:
        base = URL(f"https://{endpoint.host}/v2/")
    except ValueError as error:
        raise failed(endpoint.host, "it is no host") from error
    proxy = outer_proxy(base)
    named = {base.host or "", (URL(proxy).host or "") if proxy else ""}
    guard = GuardedResolver(frozenset(named))
    async with aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(ssl=_tls(endpoint), resolver=guard),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "bbox", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=patience.connect_s, sock_read=patience.silence_s
        ),
    ) as session:
        secure = Transport(
            endpoint=endpoint, session=session, guard=guard, patience=patience, base=base
        )
        if endpoint.insecure and not await _speaks_tls(secure):
            yield Transport(
                endpoint=endpoint,
                session=session,
                guard=guard,
                patience=patience,
                base=base.with_scheme("http").with_port(base.explicit_port),
            )
        else:
            yield secure


async def _speaks_tls(transport: Transport) -> bool:
    try:
        async with transport.session.get(
            transport.base, proxy=outer_proxy(transport.base), allow_redirects=False
        ):
            return True
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """As OpenSSL is set up here; it honours SSL_CERT_FILE and SSL_CERT_DIR itself."""
    context = ssl.create_default_context()
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def outer_proxy(url: URL) -> str | None:
    """The HTTP proxy that the user's environment names for a URL, or None."""
    host = url.host or ""
    if host in {"localhost", "127.0.0.1", "::1"} or proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def check(response: aiohttp.ClientResponse, host: str, name: str) -> None:
    """Make an error of an answer that is none.

    Args:
        response: Its status and headers count.
        host: Who answers, for the message.
        name: What was asked for.

    Raises:
        BboxError: image.registry-denied, image.not-found, image.registry-failed.
        TryAgainError: for what may pass.
    """
    status = response.status
    if status in _GOOD:
        return
    if status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise denied(host, name, status)
    if status == _NOT_FOUND:
        raise absent(host, name)
    if status == _LIMITED:
        wait_s = _seconds(response.headers.get("Retry-After", ""))
        raise TryAgainError(limited(host, wait_s), wait_s=wait_s)
    error = failed(host, f"it answers {status} when asked for {name}")
    if status == _TIMED_OUT or status >= _SERVER_ERROR:
        raise TryAgainError(error)
    raise error


async def read_document(
    response: aiohttp.ClientResponse, limit_bytes: int, error: BboxError | None = None
) -> bytes:
    """The whole body. Raises: image.corrupt, or the error given, when it is over the limit."""
    body = bytearray()
    while chunk := await response.content.read(_READ_BYTES):
        body += chunk
        if len(body) > limit_bytes:
            raise error or corrupt(f"A document is larger than {limit_bytes} bytes.")
    return bytes(body)


def _seconds(text: str) -> float | None:
    """RFC 9110, 10.2.3; a date is left to our own pauses."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else None  # noqa: PLR2004 - 115 days


def _why(error: BaseException) -> str:
    match error:
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return "it does not answer in time"
        case aiohttp.ClientConnectorDNSError():
            return "there is no such host, or no name server answers"
        case aiohttp.ClientConnectorError():
            number = error.os_error.errno
            return f"no connection: {os.strerror(number) if number else error.os_error}"
        case aiohttp.ClientPayloadError():
            return "the connection was cut"
        case _:
            return f"the connection ended: {type(error).__name__}"
