# SPDX-License-Identifier: Apache-2.0
"""Connections of the host on behalf of the guest."""

import asyncio
import itertools
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.egress.event import BlockReason
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.infra.egress.address import may_dial
from bbox_server.infra.egress.resolve import Resolution, Resolver
from bbox_server.infra.egress.tunnel import TunnelError, open_tunnel

_CONNECT_S: Final = 10.0
_STAGGER_S: Final = 0.25
"""Between the starts of two attempts (RFC 8305, 5: 250 ms recommended)."""
_KEEPALIVE_S: Final = 60
_MAX_ATTEMPTS: Final = 6
_MAX_DIALS: Final = 64
# A proxy dials too, and many wait for a verdict on the name first.
_TUNNEL_S: Final = 20.0
# Behind a proxy a host need not know public names, and may be slow to say so.
_LOOK_S: Final = 2.0
_LOOPBACK: Final = ("127.0.0.1", "::1")


class DialError(Exception):
    """There is no connection; the reason is for the user."""

    def __init__(self, reason: BlockReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What to connect to: a service, or a name, or an address where there is no name.

    Attributes:
        service: A socket's path, or a port of this host's loopback address.
    """

    name: str | None = None
    address: str = ""
    port: int = 0
    service: str | int = ""
    allow_private: bool = False


class Dialer:
    """Connects, a bounded number of times at once."""

    def __init__(self, resolver: Resolver, proxy: UpstreamProxy | None = None) -> None:
        self._resolver = resolver
        self._proxy = proxy
        self._slots = asyncio.Semaphore(_MAX_DIALS)

    async def dial(self, target: Target) -> socket.socket:
        """A connected, non-blocking socket, which the caller closes.

        Raises:
            DialError: With the reason.
        """
        if isinstance(target.service, int):
            return await _race(_LOOPBACK, target.service)
        if target.service:
            return await _dial_service(target.service)
        async with self._slots:
            if self._proxy is not None and self.is_proxied(target.name or target.address):
                await self._look(target)
                return await self._tunnel(self._proxy, target)
            addresses, port = await self._addresses(target)
            return await _race(addresses, port)

    async def dial_datagrams(self, target: Target) -> socket.socket:
        """A non-blocking datagram socket, connected with the first allowed address.

        Raises:
            DialError: With the reason.
        """
        async with self._slots:
            addresses, port = await self._addresses(target)
        family = socket.AF_INET6 if ":" in addresses[0] else socket.AF_INET
        upstream = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            upstream.connect((addresses[0], port))
        except OSError as error:
            upstream.close()
            raise DialError(_reason(error)) from error
        return upstream

    async def look_up(self, name: str) -> Resolution | None:
        """What the host's resolver says of a name; None where the proxy resolves it."""
        return None if self.is_proxied(name) else await self._resolver.resolve(name)

    def is_proxied(self, host: str) -> bool:
        """Whether connections to a name or an address go by the host's proxy."""
        proxy = self._proxy
        return proxy is not None and not self._resolver.is_fixed(host) and proxy.serves(host)

    async def _look(self, target: Target) -> None:
        """Refuse what is known to be private; what the proxy finds behind a name is its to judge.

        Raises: DialError.
        """
        found = [target.address]
        if target.name is not None:
            try:
                async with asyncio.timeout(_LOOK_S):
                    found = list((await self._resolver.resolve(target.name)).addresses)
            except TimeoutError:
                return
        private = target.allow_private
        if found and not any(may_dial(address, allow_private=private) for address in found):
            raise DialError(BlockReason.RESOLVES_TO_PRIVATE)

    async def _tunnel(self, proxy: UpstreamProxy, target: Target) -> socket.socket:
        addresses = (await self._resolver.resolve(proxy.host)).addresses
        if not addresses:
            raise DialError(BlockReason.PROXY_REFUSED)
        connected = await _race(_interleaved(addresses)[:_MAX_ATTEMPTS], proxy.port)
        try:
            async with asyncio.timeout(_TUNNEL_S):
                await open_tunnel(connected, proxy, target.name or target.address, target.port)
        except TimeoutError as error:
            connected.close()
            raise DialError(BlockReason.UPSTREAM_TIMEOUT) from error
        except (TunnelError, OSError) as error:
            connected.close()
            raise DialError(BlockReason.PROXY_REFUSED) from error
        except BaseException:
            connected.close()
            raise
        return connected

    async def _addresses(self, target: Target) -> tuple[tuple[str, ...], int]:
        if target.name is None:
            found: tuple[str, ...] = (target.address,)
            port = target.port
        else:
            resolution = await self._resolver.resolve(target.name)
            found, port = resolution.addresses, resolution.port or target.port
        if not found:
            raise DialError(BlockReason.RESOLVE_FAILED)
        allowed = tuple(
            address for address in found if may_dial(address, allow_private=target.allow_private)
        )
        if not allowed:
            raise DialError(BlockReason.RESOLVES_TO_PRIVATE)
        return _interleaved(allowed)[:_MAX_ATTEMPTS], port


def _interleaved(addresses: Iterable[str]) -> tuple[str, ...]:
    ordered = tuple(addresses)
    first_is_v6 = ":" in ordered[0]
    first = [address for address in ordered if (":" in address) == first_is_v6]
    second = [address for address in ordered if (":" in address) != first_is_v6]
    pairs = itertools.zip_longest(first, second)
    return tuple(address for pair in pairs for address in pair if address is not None)


async def _dial_service(path: str) -> socket.socket:
    service = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().sock_connect(service, path)
    except OSError as error:
        service.close()
        raise DialError(_reason(error)) from error
    except BaseException:
        service.close()
        raise
    return service


def _reason(error: OSError) -> BlockReason:
    if isinstance(error, TimeoutError):
        return BlockReason.UPSTREAM_TIMEOUT
    return BlockReason.UPSTREAM_REFUSED


class _Race:
    """Staggered attempts; the first connection wins (RFC 8305, in small)."""

    def __init__(self) -> None:
        self.winner: socket.socket | None = None
        self.error: OSError = TimeoutError()
        self._running = 0
        self._change = asyncio.Event()

    async def run(self, addresses: tuple[str, ...], port: int) -> None:
        async with asyncio.TaskGroup() as group:
            attempts = []
            for address in addresses:
                self._running += 1
                attempts.append(group.create_task(self._attempt(address, port)))
                with suppress(TimeoutError):
                    async with asyncio.timeout(_STAGGER_S):
                        await self._next_change()
                if self.winner is not None:
                    break
            while self.winner is None and self._running:
                await self._next_change()
            for attempt in attempts:
                attempt.cancel()

    async def _next_change(self) -> None:
        self._change.clear()
        await self._change.wait()

    async def _attempt(self, address: str, port: int) -> None:
        try:
            upstream = await _connect(address, port)
        except OSError as error:
            self.error = error
        else:
            if self.winner is None:
                self.winner = upstream
            else:
                upstream.close()
        finally:
            self._running -= 1
            self._change.set()


async def _connect(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    upstream = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The guest's own probes end at the relay, so these keep the way through NATs open.
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _KEEPALIVE_S)
        # The address is a number: nothing is resolved again between check and use.
        await asyncio.get_running_loop().sock_connect(upstream, (address, port))
    except BaseException:
        upstream.close()
        raise
    return upstream


async def _race(addresses: tuple[str, ...], port: int) -> socket.socket:
    race = _Race()
    try:
        async with asyncio.timeout(_CONNECT_S):
            await race.run(addresses, port)
    except BaseException as error:
        if race.winner is not None:
            race.winner.close()
        if isinstance(error, TimeoutError):
            raise DialError(BlockReason.UPSTREAM_TIMEOUT) from error
        raise
    if race.winner is None:
        raise DialError(_reason(race.error)) from race.error
    return race.winner
