# SPDX-License-Identifier: Apache-2.0
"""The built guest system plus one session's part."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import BootFiles, GuestConfig, GuestSystem
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.guest_system.archive import padding
from bbox_server.infra.guest_system.built import find_built_guest
from bbox_server.infra.guest_system.session_part import session_part
from bbox_server.infra.process.sandbox_user import SandboxUser

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltGuestSystem(GuestSystem):
    """Guest systems as `python -m guest.build build` makes them.

    Attributes:
        root: Where the builds are, one directory each.
        owner: Who runs QEMU, so who must be able to read what is assembled.
    """

    root: Path
    owner: SandboxUser

    @override
    def assemble(self, guest: GuestConfig, into: HostPath) -> BootFiles:
        built = find_built_guest(self.root)
        part = session_part(guest)
        target = Path(into, "initramfs")
        try:
            self._write(built / "initramfs", part, target)
        except OSError as error:
            target.unlink(missing_ok=True)
            if error.errno not in _FULL:
                raise
            raise BboxError(
                ErrorCode.DISK_FULL,
                cause=f"There is no space for {target}.",
                remediation="Make space on that file system, then start the session again.",
            ) from error
        return BootFiles(kernel=HostPath(str(built / "vmlinux")), initramfs=HostPath(str(target)))

    def probe_files(self) -> BootFiles:
        """A guest that prints its first line and powers off, to try an accelerator with.

        Raises:
            BboxError: guest.system-missing.
        """
        built = find_built_guest(self.root)
        return BootFiles(
            kernel=HostPath(str(built / "vmlinux")), initramfs=HostPath(str(built / "initramfs"))
        )

    def _write(self, base: Path, part: bytes, target: Path) -> None:
        descriptor = os.open(
            target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        with os.fdopen(descriptor, "wb") as file, base.open("rb") as source:
            size = _copy(source, file)
            file.write(padding(size) + part)
            file.flush()
            if os.geteuid() == 0:
                os.fchown(descriptor, self.owner.uid, self.owner.gid)


def _copy(source: BinaryIO, target: BinaryIO) -> int:
    """Copy in the kernel. Not copy_file_range: it refuses two kinds of file system (EXDEV)."""
    total = 0
    while copied := os.sendfile(target.fileno(), source.fileno(), total, 1 << 30):
        total += copied
    target.seek(total)
    return total
