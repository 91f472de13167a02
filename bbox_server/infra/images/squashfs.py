# SPDX-License-Identifier: Apache-2.0
"""A merged image as squashfs, by `tar2sqfs`."""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.faults import disk_full
from bbox_server.infra.images.layout import Layer
from bbox_server.infra.images.merge import Merger, Write
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.sandbox_user import SandboxUser

# 950 MB in two layers, two cores: level 3 in 8 s gives 348 MB; the default, 15, in 47 s 312 MB.
_ZSTD_LEVEL: Final = 3
_NO_SPACE: Final = b"No space left on device"


@dataclass(frozen=True, slots=True, kw_only=True)
class SquashfsWriter:
    """Makes root filesystems.

    Attributes:
        user: Who `tar2sqfs` runs as; None keeps the caller.
        jobs: Threads that compress.
    """

    user: SandboxUser | None = None
    jobs: int = 2

    async def write(self, layers: tuple[Layer, ...], path: Path) -> int:
        """Make the file, readable by all and writable by nobody; returns its entries.

        Raises:
            BboxError: image.corrupt, image.unsupported, disk.full, dependency.missing,
                process.failed. The file is then worthless.
        """
        output = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            count = await self._convert(layers, output, path)
            _make_immutable(output)
        finally:
            os.close(output)
        return count

    async def _convert(self, layers: tuple[Layer, ...], output: int, path: Path) -> int:
        if self.user is not None:
            os.fchown(output, self.user.uid, self.user.gid)
        reading, writing = os.pipe()
        try:
            async with spawn(self._command(reading, output)) as child:
                os.close(reading)
                reading = -1
                writing, held = -1, writing
                return await _feed(child, layers, held, path)
        finally:
            for fd in (reading, writing):
                if fd >= 0:
                    os.close(fd)

    def _command(self, reading: int, output: int) -> Command:
        # The descriptor's link opens the file for a user who can't reach its directory.
        options = ("-q", "-s", "-f", "-c", "zstd", "-X", f"level={_ZSTD_LEVEL}", "-j")
        return Command(
            argv=("tar2sqfs", *options, str(self.jobs), f"/proc/self/fd/{output}"),
            user=self.user,
            pass_fds=(output,),
            stdin=reading,
        )


async def _feed(child: Child, layers: tuple[Layer, ...], writing: int, path: Path) -> int:
    """Merge into the child's input, in a thread; `writing` is closed on every way out."""
    cancelled = threading.Event()
    merger = Merger(layers=layers, cancelled=cancelled.is_set)
    try:
        count = await asyncio.to_thread(_merge, writing, merger.merge)
    except asyncio.CancelledError:
        cancelled.set()
        raise
    exit_code = await child.wait()
    if exit_code != 0:
        child.errors.close()
        raise _failure(exit_code, child.errors.content(), path)
    # tar2sqfs is content with an archive that was cut at a good place: the merger's word counts.
    if count is None:
        raise _failure(exit_code, b"it stopped reading", path)
    return count


def _merge(writing: int, merge: Callable[[Write], int]) -> int | None:
    """The number of entries; None when the reader went away, whose own error says more."""
    try:
        with os.fdopen(writing, "wb", buffering=1024 * 1024) as pipe:
            return merge(pipe.write)
    except BrokenPipeError:
        return None


def _make_immutable(output: int) -> None:
    os.fchown(output, os.geteuid(), os.getegid())
    os.fchmod(output, 0o444)
    os.fsync(output)


def _failure(exit_code: int, errors: bytes, path: Path) -> BboxError:
    if _NO_SPACE in errors:
        return disk_full(path.parent)
    said = ascii(errors.strip()[-500:].decode("utf-8", "replace"))
    return BboxError(
        ErrorCode.PROCESS_FAILED,
        cause=f"tar2sqfs ended with {exit_code}: {said}",
        remediation="Check that squashfs-tools-ng is installed and whole (`bbox doctor`).",
    )
