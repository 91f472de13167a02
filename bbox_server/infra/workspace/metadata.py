# SPDX-License-Identifier: Apache-2.0
"""Owner, mode and extended attributes that a written file gets."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

PERMISSIONS: Final = 0o777
"""No setuid, setgid or sticky bit is ever written."""

# File capabilities are a setuid by another name; the hashes belong to the old content.
_NEVER_COPIED: Final = frozenset({"security.capability", "security.ima", "security.evm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a file has beside its content.

    Attributes:
        owner: User and group, or None to leave them as they come.
        mode: Permission bits, or None to leave them.
        times_ns: Of access and modification, or None for now.
    """

    owner: tuple[int, int] | None = None
    mode: int | None = None
    attributes: Mapping[str, bytes] = field(default_factory=dict)
    times_ns: tuple[int, int] | None = None

    def put_on(self, fd: int) -> None:
        """Set all of it, as far as the caller may.

        Owner and attributes that need a privilege are left where it is missing: a file of
        another user is then replaced by one of ours with the same permissions.
        """
        if self.owner is not None:
            _own(fd, self.owner)
        for name, value in self.attributes.items():
            with suppress(OSError):
                os.setxattr(fd, name, value)
        if self.mode is not None:
            os.fchmod(fd, self.mode & PERMISSIONS)
        if self.times_ns is not None:
            os.utime(fd, ns=self.times_ns)


def metadata_of(fd: int) -> Metadata:
    """All that an open file has."""
    status = os.fstat(fd)
    return Metadata(
        owner=(status.st_uid, status.st_gid),
        mode=status.st_mode & PERMISSIONS,
        attributes=_attributes(fd),
        times_ns=(status.st_atime_ns, status.st_mtime_ns),
    )


def owner_of_new(directory_fd: int) -> tuple[int, int] | None:
    """Who owns a new file: as root, the owner of its directory; else whoever makes it."""
    if os.geteuid() != 0:
        return None
    status = os.fstat(directory_fd)
    return status.st_uid, status.st_gid


def current_umask() -> int:
    """The process's umask, read without changing it for other threads (proc(5), since 4.7)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").split("\n"):
        if line.startswith("Umask:"):
            return int(line.removeprefix("Umask:"), 8)
    return 0o022


def _own(fd: int, owner: tuple[int, int]) -> None:
    try:
        os.fchown(fd, *owner)
    except PermissionError:
        with suppress(PermissionError):
            os.fchown(fd, -1, owner[1])


def _attributes(fd: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with suppress(OSError):
        for name in os.listxattr(fd):
            if name not in _NEVER_COPIED:
                found[name] = os.getxattr(fd, name)
    return found
