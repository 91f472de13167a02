# SPDX-License-Identifier: Apache-2.0
"""Remove sessions that ended long ago, with their logs and undo records, leftovers and images."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from bbox_server.application.tend_cache import TendCache
from bbox_server.domain.clock import Clock
from bbox_server.domain.error import BboxError
from bbox_server.domain.housekeeping import StaleFiles
from bbox_server.domain.session import ENDED, SessionStore
from bbox_server.domain.snapshot import Snapshots

KEEP_DAYS: Final = 14
DAY_S: Final = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneSessions:
    """Never touches a session that waits for review, or that a process holds.

    Attributes:
        keep_days: None keeps all.
    """

    sessions: SessionStore
    snapshots: Snapshots
    stale: StaleFiles
    clock: Clock
    cache: TendCache
    keep_days: int | None = KEEP_DAYS

    async def __call__(self) -> int:
        """How many were removed."""
        if self.keep_days is None:
            return 0
        oldest = self.clock.now() - self.keep_days * DAY_S
        self.stale.sweep(oldest)
        # Best effort: an image that can't be removed hinders no run.
        with suppress(BboxError, OSError):
            await self.cache.evict()
        removed = 0
        for record in self.sessions.list():
            if record.held or record.state not in ENDED or record.created_at > oldest:
                continue
            try:
                self.sessions.remove(record.id)
            except BboxError:
                # Somebody was faster, or looks at it right now.
                continue
            await self.snapshots.release(record.id)
            removed += 1
        return removed
