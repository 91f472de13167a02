# SPDX-License-Identifier: Apache-2.0
"""Which addresses a registry may send us to."""

import ipaddress
import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override


class AddressRefusedError(OSError):
    """Every address of the name is one that a registry must not lead to."""


class GuardedResolver(AbstractResolver):
    """Resolves what the user named as it is, and what a registry names to public addresses only.

    A registry that is private itself may lead to private addresses: it is in the same network.
    Checked where the connection is made, so that a name can't be one address to the check and
    another to the connection.

    Args:
        named: Hosts that the user's reference, config or environment names.
    """

    def __init__(self, named: frozenset[str]) -> None:
        self._named = named
        self._inner = ThreadedResolver()
        self._is_private = any(_is_private_literal(host) for host in named)

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host in self._named:
            self._is_private |= any(not is_public(one["host"]) for one in found)
            return found
        public = [one for one in found if self._is_private or is_public(one["host"])]
        if not public:
            raise AddressRefusedError(f"{host} is in a private network")
        return public

    def admits(self, host: str) -> bool:
        """Whether a host that a registry leads to may be asked, as far as its text tells.

        The connector asks no resolver for what is an address already.
        """
        return self._is_private or host in self._named or not _is_private_literal(host)

    @override
    async def close(self) -> None:
        await self._inner.close()


def is_public(address: str) -> bool:
    """Whether an address is anybody's, not this machine's or its network's."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast


def _is_private_literal(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False
