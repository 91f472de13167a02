# SPDX-License-Identifier: Apache-2.0
"""The small cpio archive that follows the built one (newc; kernel, early-userspace/buffer-format).

The builder has its own writer: guest/ shares no code with the host.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_TRAILER: Final = "TRAILER!!!"
_ALIGNMENT_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file or a directory. `path` is relative to the initramfs; what holds it comes before.

    Attributes:
        mode: Type and permissions, as of stat(2).
        owner: User and group.
    """

    path: str
    content: bytes
    mode: int
    owner: int = 0


def regular_file(path: str, content: bytes, mode: int, owner: int = 0) -> Entry:
    """A file."""
    return Entry(path=path, content=content, mode=stat.S_IFREG | mode, owner=owner)


def directory(path: str, mode: int, owner: int = 0) -> Entry:
    """A directory."""
    return Entry(path=path, content=b"", mode=stat.S_IFDIR | mode, owner=owner)


def format_archive(entries: Iterable[Entry]) -> bytes:
    """The archive as the kernel unpacks it over what came before."""
    formatted = [_format(number, entry) for number, entry in enumerate(entries, start=1)]
    return b"".join(formatted) + _format(0, Entry(path=_TRAILER, content=b"", mode=0))


def padding(size: int) -> bytes:
    """What must lie between an archive of `size` bytes and the next one."""
    return bytes(-size % _ALIGNMENT_BYTES)


def _format(inode: int, entry: Entry) -> bytes:
    name, content, owner = os.fsencode(entry.path) + b"\0", entry.content, entry.owner
    # inode, mode, uid, gid, links, mtime, size, dev twice, rdev twice, name length, check
    fields = (inode, entry.mode, owner, owner, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    header += padding(len(header))
    return header + content + padding(len(content))
