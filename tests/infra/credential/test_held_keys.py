# SPDX-License-Identifier: Apache-2.0
"""When a held login's token is renewed, by clocks of the test's own."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from bbox_server.domain.credential import ANTHROPIC, ProviderId, ServedRoute
from bbox_server.domain.held_login import HeldLogin, Lasting, LoginForm, LoginPlace, fingerprint
from bbox_server.domain.secret import Secret
from bbox_server.infra.credential.held_keys import PAUSE_S, REPLACED_AFTER_S, HeldKeys
from bbox_server.infra.credential.login_desk import LoginLostError

LOGIN = HeldLogin(
    agent="claude-code",
    form=LoginForm.CLAUDE,
    place=LoginPlace.HOME,
    endpoint="https://login.example",
    expires_at_s=1000,
)
SERVED = ServedRoute(route=ANTHROPIC, key=Secret(value="old"), login=LOGIN)


@dataclass
class Desk:
    """Gives the next token, or fails.

    Attributes:
        stale: What it was asked to replace.
    """

    tokens: list[Lasting] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    is_final: bool = True

    async def renew(self, provider: ProviderId, stale: str) -> Lasting:
        assert provider == ANTHROPIC.provider
        self.stale.append(stale)
        await asyncio.sleep(0)
        if not self.tokens:
            raise LoginLostError("gone", is_final=self.is_final)
        return self.tokens.pop(0)


@dataclass
class Clocks:
    wall_s: float = 0
    ticks_s: float = 0


def token(name: str, until_s: float = 5000) -> Lasting:
    return Lasting(access=Secret(value=name), expires_at_s=until_s)


def keys_of(desk: Desk, clocks: Clocks, served: ServedRoute = SERVED) -> HeldKeys:
    return HeldKeys([served], desk.renew, lambda: clocks.wall_s, lambda: clocks.ticks_s)


async def test_a_key_is_what_it_is() -> None:
    plain = replace(SERVED, login=None)
    desk = Desk()
    keys = keys_of(desk, Clocks(), plain)
    assert await keys.current(plain) is plain
    assert not await keys.replaced(plain)
    assert desk.stale == []


async def test_many_requests_at_once_renew_once() -> None:
    desk = Desk(tokens=[token("new")])
    keys = keys_of(desk, Clocks(wall_s=900))
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(keys.current(SERVED)) for _ in range(5)]
    assert {task.result().key.value for task in asked} == {"new"}
    assert desk.stale == [fingerprint(Secret(value="old"))]


async def test_a_failure_is_not_pressed_and_then_tried_again() -> None:
    desk, clocks = Desk(), Clocks(wall_s=2000)
    keys = keys_of(desk, clocks)
    for _ in range(3):
        with pytest.raises(LoginLostError):
            await keys.current(SERVED)
    assert len(desk.stale) == 1
    desk.tokens = [token("new")]
    clocks.ticks_s = PAUSE_S
    assert (await keys.current(SERVED)).key.value == "new"


async def test_what_ends_soon_is_used_where_nothing_better_is_to_be_had() -> None:
    desk, clocks = Desk(), Clocks(wall_s=900)
    keys = keys_of(desk, clocks)
    assert (await keys.current(SERVED)).key.value == "old"
    clocks.wall_s = 1001
    with pytest.raises(LoginLostError):
        await keys.current(SERVED)


async def test_a_token_that_is_refused_is_replaced_unless_it_is_young() -> None:
    desk, clocks = Desk(tokens=[token("new"), token("newer")]), Clocks()
    keys = keys_of(desk, clocks)
    assert await keys.replaced(SERVED)
    new = await keys.current(SERVED)
    assert not await keys.replaced(new)
    # A request that was under way with the old one.
    assert await keys.replaced(SERVED)
    clocks.ticks_s = REPLACED_AFTER_S
    assert await keys.replaced(new)
    assert len(desk.stale) == 2


async def test_who_goes_away_while_it_is_renewed_leaves_the_others_alone() -> None:
    desk = Desk(tokens=[token("new")])
    keys = keys_of(desk, Clocks(wall_s=900))
    gone = asyncio.ensure_future(keys.current(SERVED))  # noqa: TID251 (it is what is cancelled)
    await asyncio.sleep(0)
    gone.cancel()
    assert (await keys.current(SERVED)).key.value == "new"
    assert len(desk.stale) == 2
