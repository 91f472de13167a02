# SPDX-License-Identifier: Apache-2.0
"""Ends a connection whose guest breaks SSH's rules to fill the host's memory.

asyncssh 2.24 takes data beyond the window that it granted, and answers requests whose answers
nobody reads; both would grow without bound. It has no public way to see either.
"""

import asyncio
from types import TracebackType
from typing import Final, Self

import asyncssh

_PERIOD_S: Final = 0.25

# More than asyncssh itself ever sends ahead: one window of each channel.
_UNREAD_BYTES: Final = 32 * 1024 * 1024


class FloodGuard:
    """Looks at a connection every quarter of a second while the context lasts."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._look()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        if is_flooding(self._connection):
            self._connection.abort()
            return
        self._timer = asyncio.get_running_loop().call_later(_PERIOD_S, self._look)


def is_flooding(connection: asyncssh.SSHClientConnection) -> bool:
    """Whether the other end sent more than it may, or has us answer more than it reads."""
    transport = connection._transport  # noqa: SLF001 - see above
    unread_bytes = transport.get_write_buffer_size() if transport else 0
    if unread_bytes > _UNREAD_BYTES:
        return True
    channels = connection._channels.values()  # noqa: SLF001 - see above
    return any(channel._recv_window < 0 for channel in channels)  # noqa: SLF001 - see above
