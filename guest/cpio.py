# SPDX-License-Identifier: Apache-2.0
"""Writer of initramfs archives (cpio newc; kernel, early-userspace/buffer-format)."""

import posixpath
import stat
from dataclasses import dataclass
from typing import Final

_TRAILER: Final = "TRAILER!!!"
_BLOCK_BYTES: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Numeric owner of an entry."""

    uid: int = 0
    gid: int = 0


ROOT: Final = Owner()


class Archive:
    """Entries in the order in which they were added; parents are made when they are missing."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._names: set[str] = set()

    def directory(self, path: str, mode: int = 0o755, owner: Owner = ROOT) -> None:
        """Add a directory; a second time is nothing."""
        if path not in self._names:
            self._add(path, stat.S_IFDIR | mode, owner=owner)

    def file(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._add(path, stat.S_IFREG | mode, content)

    def symlink(self, path: str, target: str) -> None:
        """Add a symlink."""
        self._add(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path: str, mode: int, major: int, minor: int) -> None:
        """Add a device node: the kernel makes it, no mknod at boot."""
        self._add(path, stat.S_IFCHR | mode, device=(major, minor))

    def finish(self) -> bytes:
        """The archive, padded as cpio(1) pads it, so that another one can follow."""
        self._append(_TRAILER, 0, b"", ROOT, (0, 0))
        self._bytes += bytes(-len(self._bytes) % _BLOCK_BYTES)
        return bytes(self._bytes)

    def _add(
        self,
        path: str,
        mode: int,
        content: bytes = b"",
        owner: Owner = ROOT,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        if path in self._names:
            raise ValueError(f"{path} is twice in the archive")
        if parent := posixpath.dirname(path):
            self.directory(parent)
        self._names.add(path)
        self._append(path, mode, content, owner, device)

    def _append(
        self, path: str, mode: int, content: bytes, owner: Owner, device: tuple[int, int]
    ) -> None:
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        # inode, mode, uid, gid, links, mtime, size, dev, rdev (two words each), name length, check
        inode = len(self._names)
        fields = (
            *(inode, mode, owner.uid, owner.gid, links, 0, len(content), 0, 0),
            *(*device, len(name), 0),
        )
        self._bytes += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._bytes += bytes(-len(self._bytes) % 4) + content
        self._bytes += bytes(-len(self._bytes) % 4)
