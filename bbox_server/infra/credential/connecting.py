# SPDX-License-Identifier: Apache-2.0
"""Another try where nothing was sent yet."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp

_T = TypeVar("_T")

PAUSES_S: Final = (0.1, 0.4)
"""Between the tries: a network that changes, or a gateway that restarts, on the same machine."""


async def connected(
    ask: Callable[[], Awaitable[_T]], pause: Callable[[float], Awaitable[None]]
) -> _T:
    """What `ask` gives, asked again while no connection comes about.

    Only then nothing of the request has left: a POST that was sent may have been paid for, so
    it is the agent that decides whether it asks again. A server that shows a wrong certificate
    will show it again.
    """
    for seconds in PAUSES_S:
        try:
            return await ask()
        except aiohttp.ClientConnectorError as error:
            if isinstance(error, aiohttp.ClientSSLError):
                raise
        await pause(seconds)
    return await ask()
