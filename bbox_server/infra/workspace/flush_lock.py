# SPDX-License-Identifier: Apache-2.0
"""One writer at a time in a workspace, whichever session it works for."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath

_POLL_S: Final = 0.05
_PATIENCE_S: Final = 10.0


@asynccontextmanager
async def locked(path: HostPath) -> AsyncIterator[None]:
    """Hold a lock file; the kernel lets go of it when the process dies.

    Raises:
        BboxError: flush.busy when another process holds it for more than ten seconds.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    fd = os.open(path, flags, 0o600)
    try:
        await _acquire(fd)
        yield
    finally:
        os.close(fd)


async def _acquire(fd: int) -> None:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not _try(fd):  # noqa: ASYNC110 - another process can set no event of ours
                await asyncio.sleep(_POLL_S)
    except TimeoutError as error:
        raise BboxError(
            ErrorCode.FLUSH_BUSY,
            cause="Its lock was not free for ten seconds.",
            remediation="Wait until the other session has applied its changes, then try again.",
        ) from error


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
