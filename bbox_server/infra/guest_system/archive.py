# SPDX-License-Identifier: Apache-2.0
"""The small cpio archive that follows the built one (newc; kernel, early-userspace/buffer-format).

The builder has its own writer: guest/ shares no code with the host.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_TRAILER: Final = "TRAILER!!!"
_ALIGNMENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFile:
    """A regular file of root's. `path` is relative to the initramfs; its directory is in there."""

    path: str
    content: bytes
    mode: int


def format_archive(files: Iterable[GuestFile]) -> bytes:
    """The archive as the kernel unpacks it over what came before."""
    entries = [
        _entry(number, file.path, stat.S_IFREG | file.mode, file.content)
        for number, file in enumerate(files, start=1)
    ]
    return b"".join(entries) + _entry(0, _TRAILER, 0, b"")


def padding(size: int) -> bytes:
    """What must lie between an archive of `size` bytes and the next one."""
    return bytes(-size % _ALIGNMENT_BYTES)


def _entry(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # inode, mode, uid, gid, links, mtime, size, dev twice, rdev twice, name length, check
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    header += padding(len(header))
    return header + content + padding(len(content))
