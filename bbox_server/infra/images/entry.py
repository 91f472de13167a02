# SPDX-License-Identifier: Apache-2.0
"""Entries of a layer, and what an image may cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bbox_server.infra.images.faults import corrupt

# Linux: NAME_MAX, PATH_MAX.
NAME_LIMIT_BYTES: Final = 255
PATH_LIMIT_BYTES: Final = 4095

# Deeper trees than any real one; the walk down to hide a directory is recursive.
DEPTH_LIMIT: Final = 256

EntryPath = tuple[bytes, ...]
"""Parts below the root; none is empty, `.` or `..`, none has a slash or a NUL."""


class EntryKind(StrEnum):
    """`special` is a device, a fifo or a socket: it hides what was there and isn't kept."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    SPECIAL = "special"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of a layer.

    Attributes:
        path: Empty for the root itself.
        target: Of a symlink, as it is written.
        link: Of a hard link, the other path.
        size_bytes: Of a file; 0 for all else.
    """

    path: EntryPath
    kind: EntryKind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime_s: int = 0
    size_bytes: int = 0
    target: bytes = b""
    link: EntryPath = ()
    xattrs: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def metadata_bytes(self) -> int:
        """What it takes in memory, about."""
        words = (*self.path, self.target, *self.link, *self.xattrs, *self.xattrs.values())
        return sum(map(len, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one image may cost, all its layers together.

    Attributes:
        total_bytes: Decompressed.
        metadata_bytes: Names, links and attributes: those are in memory while layers are merged.
    """

    total_bytes: int = 64 * 1024**3
    entries: int = 1_000_000
    metadata_bytes: int = 256 * 1024**2


def split_path(name: bytes) -> EntryPath:
    """The parts of a tar name. Raises: image.corrupt for what can't be a path below the root."""
    parts = tuple(part for part in name.split(b"/") if part not in {b"", b"."})
    if b".." in parts:
        raise corrupt(f"A layer's entry leads out of the image: {_shown(name)}.")
    if b"\0" in name:
        raise corrupt(f"A layer's entry has a NUL in its name: {_shown(name)}.")
    if len(name) > PATH_LIMIT_BYTES or any(len(part) > NAME_LIMIT_BYTES for part in parts):
        raise corrupt(f"A layer's entry has a name that no Linux takes: {_shown(name)}.")
    if len(parts) > DEPTH_LIMIT:
        raise corrupt(f"The image has more than {DEPTH_LIMIT} directories in each other.")
    return parts


def _shown(name: bytes) -> str:
    return ascii(name[:200].decode("utf-8", "replace"))
