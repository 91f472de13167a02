# SPDX-License-Identifier: Apache-2.0
"""The guest system's two files, open: QEMU needs no right to the directories they are in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bbox_server.domain.vm import BootFiles
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.qemu.machine import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenKernel:
    """Two descriptors that QEMU inherits.

    Attributes:
        path: The kernel's file, for what is remembered about it.
    """

    path: Path
    image_fd: int
    initramfs_fd: int

    def loaded(self, append: str) -> Kernel:
        """As QEMU's words."""
        return Kernel(
            image=f"/proc/self/fd/{self.image_fd}",
            initramfs=f"/proc/self/fd/{self.initramfs_fd}",
            append=append,
        )

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Both, to be inherited."""
        return (self.image_fd, self.initramfs_fd)


@contextmanager
def open_kernel(boot: BootFiles, user: SandboxUser) -> Iterator[OpenKernel]:
    """Open both. The session's initramfs loses its name: in /run it takes memory."""
    image_fd = os.open(boot.kernel, os.O_RDONLY | os.O_CLOEXEC)
    try:
        initramfs_fd = os.open(boot.initramfs, os.O_RDONLY | os.O_CLOEXEC)
        try:
            Path(boot.initramfs).unlink()
            # QEMU opens it anew through /proc, as the user it is.
            os.fchown(initramfs_fd, user.uid, user.gid)
            yield OpenKernel(path=Path(boot.kernel), image_fd=image_fd, initramfs_fd=initramfs_fd)
        finally:
            os.close(initramfs_fd)
    finally:
        os.close(image_fd)
