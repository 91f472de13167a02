# SPDX-License-Identifier: Apache-2.0
"""The views of terminals that the client has: their output follows the answer that names them."""

import asyncio
from typing import Final

from bbox_server.domain.gateway import Notice

OPEN: Final = "bbox/terminal/open"
ABOUT_TERMINALS: Final = frozenset({"bbox/terminal/data", "bbox/terminal/ended"})
LOST: Final = "bbox/session/lost"


class Terminals:
    """An answer takes longer through the server than what its host sends right after it.

    Without this the client would hear of a terminal that it can't know yet.
    """

    def __init__(self) -> None:
        self._known: set[tuple[object, object]] = set()
        self._opening = 0
        self._answered = asyncio.Event()

    def opening(self) -> None:
        """The client has asked for a view."""
        self._opening += 1

    def answered(self, session: object, terminal: object) -> None:
        """The answer is on its way; None for a terminal is a failure."""
        self._opening -= 1
        if terminal is not None:
            self._known.add((session, terminal))
        self._answered.set()

    async def admits(self, notice: Notice) -> bool:
        """Whether the client can know what a notice speaks of; waits for an answer if need be.

        The host sends the answer first, so it has been read already: the wait is short.
        """
        session = notice.params.get("session")
        if notice.method == LOST:
            self._known = {known for known in self._known if known[0] != session}
        if notice.method not in ABOUT_TERMINALS:
            return True
        name = (session, notice.params.get("terminal"))
        while name not in self._known and self._opening:
            self._answered.clear()
            await self._answered.wait()
        return name in self._known
