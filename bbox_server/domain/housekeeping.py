# SPDX-License-Identifier: Apache-2.0
"""What processes that were killed left behind."""

from typing import Protocol

from bbox_server.domain.session import SessionId


class StaleFiles(Protocol):
    """Leftovers of sessions that no process works on; records and agents' work are none."""

    def sweep(self, oldest: float) -> tuple[SessionId, ...]:
        """Remove them; returns whose they were.

        Sockets and what a VM was started from go at once, a log of a session that never came to
        be when it is older than `oldest`, seconds since the epoch. What is locked stays.
        """
        ...
