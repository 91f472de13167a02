# SPDX-License-Identifier: Apache-2.0
"""Names to addresses, with the host's own resolver."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.egress.relay import HostOverride

_FOUND_S: Final = 15.0
_FAILED_S: Final = 3.0
_DEADLINE_S: Final = 10.0
_MAX_CACHED: Final = 1024
_THREADS: Final = 16
_MAX_PENDING: Final = 96
_STACK_BYTES: Final = 512 * 1024
_TEMPORARY: Final = frozenset((socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What the resolver says of a name.

    Attributes:
        addresses: Texts, in the resolver's order, each once; none where there is no such name.
        port: Instead of the one asked for.
        is_temporary: The resolver failed; the name may well be there.
    """

    addresses: tuple[str, ...] = ()
    port: int | None = None
    is_temporary: bool = False


class Resolver:
    """Asks in threads, remembers for some seconds. Overrides need no asking."""

    def __init__(
        self,
        overrides: Iterable[HostOverride],
        ask: Callable[[str], Resolution] | None = None,
    ) -> None:
        self._ask = ask or ask_system
        threading.stack_size(_STACK_BYTES)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="resolve")
        self._cache: dict[str, tuple[float, asyncio.Future[Resolution]]] = {}
        self._pending = 0
        self._overrides = {
            override.name: Resolution(addresses=(override.address,), port=override.port)
            for override in overrides
        }

    def is_fixed(self, name: str) -> bool:
        """Whether an override says where the name is."""
        return name in self._overrides

    async def resolve(self, name: str) -> Resolution:
        """Ask for a name's addresses; the same question twice at once is asked once."""
        fixed = self._overrides.get(name)
        if fixed is not None:
            return fixed
        loop = asyncio.get_running_loop()
        expires_at, answer = self._cache.get(name, (0.0, None))
        # A question that hangs is not asked again: the guest could fill the threads with it.
        if answer is None or (answer.done() and expires_at < loop.time()):
            if self._pending >= _MAX_PENDING:
                return Resolution(is_temporary=True)
            answer = self._submit(name)
            self._remember(name, loop.time() + _FOUND_S, answer)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                resolution = await asyncio.shield(answer)
        except TimeoutError:
            resolution = Resolution(is_temporary=True)
        if not resolution.addresses:
            self._remember(name, loop.time() + _FAILED_S, answer)
        return resolution

    def _submit(self, name: str) -> "asyncio.Future[Resolution]":
        self._pending += 1
        answer = asyncio.wrap_future(self._threads.submit(self._ask, name))
        answer.add_done_callback(self._on_answer)
        return answer

    def _on_answer(self, _: "asyncio.Future[Resolution]") -> None:
        self._pending -= 1

    def _remember(self, name: str, until: float, answer: "asyncio.Future[Resolution]") -> None:
        if name not in self._cache and len(self._cache) >= _MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        self._cache[name] = (until, answer)


def ask_system(name: str) -> Resolution:
    """Ask getaddrinfo: hosts file, DNS, whatever this host is set up with. Blocks."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return Resolution(is_temporary=error.errno in _TEMPORARY)
    except (OSError, UnicodeError):
        return Resolution()
    return Resolution(addresses=tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
