# SPDX-License-Identifier: Apache-2.0
"""A merged image as squashfs, by `tar2sqfs`."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.images.faults import disk_full, is_disk_full
from bbox_server.infra.images.manifest import Layer
from bbox_server.infra.images.merge import Merger, Write
from bbox_server.infra.images.meter import Meter
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.sandbox_user import SandboxUser

# 950 MB in two layers, two cores: level 3 in 8 s gives 348 MB; the default, 15, in 47 s 312 MB.
_ZSTD_LEVEL: Final = 3

# tar2sqfs says "I/O error" for every reason; this much more must fit if it was another.
_ROOM_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SquashfsWriter:
    """Makes root filesystems.

    Attributes:
        user: Who `tar2sqfs` runs as; None keeps the caller.
        jobs: Threads that compress.
    """

    user: SandboxUser | None = None
    jobs: int = 2

    async def write(self, layers: tuple[Layer, ...], path: Path, meter: Meter) -> int:
        """Make the file, readable by all and writable by nobody; returns its entries.

        Raises:
            BboxError: image.corrupt, image.unsupported, disk.full, dependency.missing,
                process.failed. The file is then worthless.
        """
        output = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        # Twice over all: headers, then contents.
        meter.begin("Unpacking", 2 * sum(layer.path.stat().st_size for layer in layers))
        try:
            count = await self._convert(layers, output, path, meter)
            _make_immutable(output)
        finally:
            os.close(output)
        return count

    async def _convert(
        self, layers: tuple[Layer, ...], output: int, path: Path, meter: Meter
    ) -> int:
        if self.user is not None:
            os.fchown(output, self.user.uid, self.user.gid)
        reading, writing = os.pipe()
        try:
            async with spawn(self._command(reading, output)) as child:
                os.close(reading)
                reading = -1
                writing, held = -1, writing
                return await _feed(child, layers, held, _Work(meter=meter, spool=path.parent))
        except BboxError as error:
            if error.code is ErrorCode.PROCESS_FAILED and not _has_room(output):
                raise disk_full(path.parent) from error
            raise
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What a merge needs besides its layers; `spool` is the caller's to remove."""

    meter: Meter
    spool: Path


async def _feed(child: Child, layers: tuple[Layer, ...], writing: int, work: _Work) -> int:
    """Merge into the child's input, in a thread; `writing` is closed on every way out."""
    cancelled = threading.Event()
    merger = Merger(
        layers=layers, spool=work.spool, cancelled=cancelled.is_set, advanced=work.meter.add
    )
    # Left only when the thread has ended: it uses what the caller removes.
    with ThreadPoolExecutor(max_workers=1) as pool:
        merging = pool.submit(_merge, writing, merger.merge)
        try:
            count = await asyncio.wrap_future(merging)
        except asyncio.CancelledError:
            cancelled.set()
            child.kill()
            if merging.cancelled():
                os.close(writing)
            raise
    exit_code = await child.wait()
    if exit_code != 0:
        child.errors.close()
        raise _failure(exit_code, child.errors.content())
    # tar2sqfs is content with an archive that was cut at a good place: the merger's word counts.
    if count is None:
        raise _failure(exit_code, b"it stopped reading")
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


def _has_room(output: int) -> bool:
    try:
        os.posix_fallocate(output, os.fstat(output).st_size, _ROOM_BYTES)
    except OSError as error:
        return not is_disk_full(error)
    return True


def _failure(exit_code: int, errors: bytes) -> BboxError:
    said = ascii(errors.strip()[-500:].decode("utf-8", "replace"))
    return BboxError(
        ErrorCode.PROCESS_FAILED,
        cause=f"tar2sqfs ended with {exit_code}: {said}",
        remediation="Check that squashfs-tools-ng is installed and whole (`bbox doctor`).",
    )
