# SPDX-License-Identifier: Apache-2.0
"""The guest's scratch disk: sparse, without a name, gone with the last process that has it."""

import errno
import os
import tempfile
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.capture import run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.sandbox_user import SandboxUser

# What ext4's tables of an empty disk take, and some room to work.
LEAST_FREE_BYTES: Final = 64 * 1024 * 1024

# No journal: after a crash the disk is thrown away. Its root is the guest's root's.
_FLAGS: Final = (
    *("-F", "-q", "-m", "0", "-O", "^has_journal"),
    *("-E", "lazy_itable_init=1,nodiscard,root_owner=0:0"),
)


async def make_scratch_disk(directory: Path, size_gib: int, user: SandboxUser) -> int:
    """An ext4 disk of `size_gib`, which the caller closes; the disk's space is free then.

    Raises:
        BboxError: disk.full, dependency.missing, process.failed.
    """
    if _free_bytes(directory) < LEAST_FREE_BYTES:
        raise full_disk(directory)
    fd = _nameless_file(directory)
    try:
        os.fchown(fd, user.uid, user.gid)
        os.ftruncate(fd, size_gib << 30)
        completed = await run(
            Command(
                argv=("mkfs.ext4", *_FLAGS, f"/proc/self/fd/{fd}"),
                user=user,
                pass_fds=(fd,),
            )
        )
        completed.check()
    except BaseException:
        os.close(fd)
        raise
    return fd


def full_disk(directory: Path) -> BboxError:
    """The error for a directory whose file system has no space left."""
    return BboxError(
        ErrorCode.DISK_FULL,
        cause=f"There is no space left in {directory}.",
        remediation="Free some space, or discard finished sessions with `bbox discard`.",
    )


def _free_bytes(directory: Path) -> int:
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _nameless_file(directory: Path) -> int:
    try:
        return os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise full_disk(directory) from error
    # NFS and some overlays don't know O_TMPFILE.
    fd, name = tempfile.mkstemp(prefix="scratch-", dir=directory)
    Path(name).unlink()
    return fd
