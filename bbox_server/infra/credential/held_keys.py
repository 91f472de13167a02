# SPDX-License-Identifier: Apache-2.0
"""The access tokens of logins that the process uses, always ones that last."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.credential import ProviderId, ServedRoute
from bbox_server.domain.held_login import Lasting, fingerprint
from bbox_server.infra.credential.login_desk import LoginLostError

Renew = Callable[[ProviderId, str], Awaitable[Lasting]]
"""Gives a token in the place of the one with a fingerprint. Raises: LoginLostError."""

PAUSE_S: Final = 10.0
"""Between two attempts, whatever the guest asks: an endpoint that refuses is not pressed."""

REPLACED_AFTER_S: Final = 60.0
"""A token that is refused when it is younger than this is not at fault itself."""


@dataclass(slots=True)
class _Held:
    token: Lasting
    since_s: float
    tried_s: float | None = None
    lost: LoginLostError | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class HeldKeys:
    """What each route's key is now.

    Times are the machine's own; `now` is of the clock by which tokens end.
    """

    def __init__(
        self,
        routes: Iterable[ServedRoute],
        renew: Renew,
        now: Callable[[], float],
        ticks: Callable[[], float],
    ) -> None:
        self._ask = renew
        self._now = now
        self._ticks = ticks
        self._held = {
            one.route.provider: _Held(
                token=Lasting(access=one.key, expires_at_s=one.login.expires_at_s),
                # As old as it can be: nobody knows.
                since_s=ticks() - REPLACED_AFTER_S,
            )
            for one in routes
            if one.login is not None
        }

    async def current(self, served: ServedRoute) -> ServedRoute:
        """The route with a key that lasts. Raises: LoginLostError."""
        held = self._held.get(served.route.provider)
        if held is None:
            return served
        async with held.lock:
            if not held.token.lasts(self._now()):
                await self._renew_early(served.route.provider, held)
            return served.using(held.token)

    async def replaced(self, refused: ServedRoute) -> bool:
        """Whether there is another token now than the one that the provider refused."""
        held = self._held.get(refused.route.provider)
        if held is None:
            return False
        async with held.lock:
            is_young = self._ticks() - held.since_s < REPLACED_AFTER_S
            if held.token.access == refused.key and not is_young:
                await self._renew(refused.route.provider, held)
            return held.token.access != refused.key

    async def _renew_early(self, provider: ProviderId, held: _Held) -> None:
        try:
            await self._renew(provider, held)
        except LoginLostError:
            # Soon is not yet: what is good for a moment is used for that moment.
            if not held.token.lasts(self._now(), margin_s=0):
                raise

    async def _renew(self, provider: ProviderId, held: _Held) -> None:
        tried = held.tried_s
        if held.lost is not None and tried is not None and self._ticks() - tried < PAUSE_S:
            raise held.lost
        held.tried_s = self._ticks()
        try:
            token = await self._ask(provider, fingerprint(held.token.access))
        except LoginLostError as lost:
            held.lost = lost
            raise
        held.token, held.since_s, held.lost = token, self._ticks(), None
