# SPDX-License-Identifier: Apache-2.0
"""Connections that wait for the user's word (egress.md, Hold-and-ask)."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from bbox_server.domain.egress.question import Question

HOLD_S: Final = 25.0
"""Programs give up a connection after 30 s and more; the SYN that was held is then forgotten."""

_ONCE_S: Final = 60.0
_MAX_OPEN: Final = 16
_MAX_ASKED: Final = 256


class Standing(Enum):
    """What becomes of a connection that no rule allows."""

    LET_IN = auto()
    HELD = auto()
    UNASKED = auto()
    DENIED = auto()


class Questions:
    """Which names were asked for, and what was answered.

    Each is asked once, and only while someone can answer. What the guest can make grow is bounded:
    16 questions at once and 256 in all; beyond them nothing is held.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._can_ask = False
        self._open: dict[Question, asyncio.Future[bool]] = {}
        self._asked: set[Question] = set()
        self._denied: set[Question] = set()
        self._let_in_until: dict[Question, float] = {}

    def stand(self, question: Question) -> Standing:
        """Judge a new connection."""
        if self._let_in_until.get(question, 0.0) > self._now():
            return Standing.LET_IN
        if question in self._denied:
            return Standing.DENIED
        if question in self._open:
            return Standing.HELD
        is_full = len(self._open) >= _MAX_OPEN or len(self._asked) >= _MAX_ASKED
        if not self._can_ask or question in self._asked or is_full:
            return Standing.UNASKED
        return Standing.HELD

    def begin(self, question: Question, ask: Callable[[], None]) -> asyncio.Future[bool]:
        """The answer that a connection is to `wait` for; `ask` is called where it is the first."""
        answer = self._open.get(question)
        if answer is None:
            answer = self._open[question] = asyncio.get_running_loop().create_future()
            self._asked.add(question)
            ask()
        return answer

    async def wait(self, question: Question, answer: asyncio.Future[bool]) -> bool:
        """Whether the connection may go on; 25 s without an answer are a no."""
        try:
            async with asyncio.timeout(HOLD_S):
                return await asyncio.shield(answer)
        except TimeoutError:
            self._settle(question, is_allowed=False)
            return False

    def let_ask(self, *, can_ask: bool) -> None:
        """Say whether someone can answer; where nobody can, nothing waits any longer."""
        self._can_ask = can_ask
        if not can_ask:
            for question in tuple(self._open):
                # Whoever comes next has not seen it.
                self._asked.discard(question)
                self._settle(question, is_allowed=False)

    def allow_once(self, question: Question) -> None:
        """Let in what waits, and what follows within a minute."""
        self._forget_old()
        self._denied.discard(question)
        self._let_in_until[question] = self._now() + _ONCE_S
        self._settle(question, is_allowed=True)

    def deny(self, question: Question) -> None:
        """Refuse what waits, and what follows."""
        self._let_in_until.pop(question, None)
        self._denied.add(question)
        self._settle(question, is_allowed=False)

    def is_denied(self, question: Question) -> bool:
        """Whether the user said no."""
        return question in self._denied

    def allow_by(self, is_allowed: Callable[[Question], bool]) -> None:
        """Let in all that another policy allows."""
        for question in tuple(filter(is_allowed, self._open)):
            self._settle(question, is_allowed=True)
        self._denied = {question for question in self._denied if not is_allowed(question)}

    def _settle(self, question: Question, *, is_allowed: bool) -> None:
        answer = self._open.pop(question, None)
        if answer is not None:
            answer.set_result(is_allowed)

    def _forget_old(self) -> None:
        now = self._now()
        over = [question for question, until in self._let_in_until.items() if until <= now]
        for question in over:
            del self._let_in_until[question]
