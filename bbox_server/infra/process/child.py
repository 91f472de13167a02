# SPDX-License-Identifier: Apache-2.0
"""Long-lived child processes: owned by a context, gone when it is left."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import IO, Final

from bbox_server.infra.process.command import Command, launch
from bbox_server.infra.process.descriptors import Pipe, Tail, readable

ERROR_TAIL_BYTES: Final = 16 * 1024
STOP_GRACE_S: Final = 2.0

# After SIGKILL only a process in an uninterruptible wait stays, and that is the kernel's to end.
_REAP_S: Final = 5.0


class Child:
    """A running child process.

    Attributes:
        pid: Of the program itself; also the number of its process group.
        output: Its standard output. Read it, or the child waits when the pipe is full.
        errors: The last 16 KiB of its standard error, always drained.
    """

    def __init__(self, process: subprocess.Popen[bytes], pidfd: int) -> None:
        self._process = process
        self._pidfd = pidfd
        self.pid = process.pid
        self.output = Pipe(_take_over(process.stdout))
        self.errors = Tail(_take_over(process.stderr), ERROR_TAIL_BYTES)

    async def wait(self) -> int:
        """The exit code; negative is the number of the signal that ended it.

        May be awaited by many at a time. What the child's own children still do is ended.
        """
        while not self.has_ended():
            # A duplicate: the loop keeps one reader a descriptor, and several may wait.
            waiting = os.dup(self._pidfd)
            try:
                await readable(waiting)
            finally:
                os.close(waiting)
        return self._reap()

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Call back once, from the event loop, when the program has exited. One callback only."""
        loop = asyncio.get_running_loop()

        def notify() -> None:
            loop.remove_reader(self._pidfd)
            callback()

        loop.add_reader(self._pidfd, notify)

    def has_ended(self) -> bool:
        """Whether the program has exited; does not reap it."""
        if self._process.returncode is not None:
            return True
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PIDFD, self._pidfd, flags) is not None

    def poll(self) -> int | None:
        """The exit code, as `wait` gives it, or None while the program runs."""
        return self._reap() if self.has_ended() else None

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens when it has ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def stop(self, grace_s: float = STOP_GRACE_S) -> int:
        """SIGTERM, and SIGKILL after the grace period. Returns the exit code; repeatable."""
        self.send(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._drained()
        return self.kill()

    def kill(self) -> int:
        """SIGKILL to the group, and reap. Blocks for the moment that takes; repeatable."""
        self.send(signal.SIGKILL)
        return self._reap()

    def close(self) -> None:
        """Kill what runs still and close every descriptor; repeatable."""
        self.kill()
        self.output.close()
        self.errors.close()
        if self._pidfd >= 0:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    async def _drained(self) -> None:
        # A child that writes its last words to a full pipe would never end.
        while not self.has_ended():
            self.output.drop()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    await self.wait()

    def _reap(self) -> int:
        # The leader is a zombie up to here, so that its group's number can't be anybody else's.
        self.send(signal.SIGKILL)
        try:
            return self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL


@asynccontextmanager
async def spawn(command: Command) -> AsyncIterator[Child]:
    """Start a child; on every way out of the context its whole group is stopped and reaped.

    The child dies with the calling thread, however that ends: call it on the main thread, or
    on one that outlives the child.

    Raises:
        BboxError: dependency.missing.
    """
    process = launch(command)
    try:
        child = Child(process, os.pidfd_open(process.pid))
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield child
    finally:
        try:
            await child.stop()
        finally:
            child.close()


def _take_over(stream: IO[bytes] | None) -> int:
    # Popen's buffered file objects would close the descriptor under us.
    if stream is None:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    fd = os.dup(stream.fileno())
    stream.close()
    return fd
