# SPDX-License-Identifier: Apache-2.0
"""Tasks that end when their owner does."""

import asyncio
from collections.abc import Coroutine


class OwnedTasks:
    """Tasks of a group, which can be ended before the group waits for them."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        """Begin something that ends by itself, or with `close`."""
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def close(self) -> None:
        """End all that still runs."""
        for task in self._running:
            task.cancel()
