# SPDX-License-Identifier: Apache-2.0
"""How far a long step is, told now and then."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

_TELL_S: Final = 1.0
_MB: Final = 1_000_000


@dataclass(slots=True, kw_only=True)
class Meter:
    """Counted up in any thread; `add` is one step of the interpreter's."""

    what: str = ""
    total_bytes: int = 0
    done_bytes: int = 0

    def begin(self, what: str, total_bytes: int) -> None:
        """Another step, from nothing."""
        self.what, self.total_bytes, self.done_bytes = what, total_bytes, 0

    def add(self, count: int) -> None:
        """More is done."""
        self.done_bytes += count

    @override
    def __str__(self) -> str:
        done = min(self.done_bytes, self.total_bytes)
        return f"{self.what}: {done / _MB:.0f} of {self.total_bytes / _MB:.0f} MB"


@asynccontextmanager
async def told(tell: Callable[[str], None]) -> AsyncIterator[Meter]:
    """A meter that is told every second for as long as the context lasts."""
    meter = Meter()

    async def keep_telling() -> None:
        said = ""
        while True:
            await asyncio.sleep(_TELL_S)
            if meter.what and str(meter) != said:
                said = str(meter)
                tell(said)

    try:
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(keep_telling())
            try:
                yield meter
            finally:
                telling.cancel()
    except BaseExceptionGroup as group:
        # One thing failed, in the body; telling can't.
        raise group.exceptions[0] from None
