# SPDX-License-Identifier: Apache-2.0
"""The walk of an overlay's upper directory, which the guest writes as it likes.

overlayfs: a character device 0:0 hides what is below its name; `user.overlay.opaque` on a directory
hides all that is below it. The guest may forge both: it can only say so about its own view.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS
from bbox_server.infra.workspace.limits import WALK_LIMITS, TreeLimits
from bbox_server.infra.workspace.tree import joined

_OPAQUE: Final = "user.overlay.opaque"


class UpperKind(Enum):
    """What a name in the upper directory is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    WHITEOUT = "whiteout"
    SPECIAL = "special"


@dataclass(slots=True)
class UpperEntry:
    """One name. Times and inode are for noticing a change; the guest sets the mtime as it likes.

    Attributes:
        opaque: A directory that hides what the baseline has below it.
    """

    kind: UpperKind
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    link: str | None = None
    opaque: bool = False


class Descent(Enum):
    """How a directory is looked at."""

    LIST = "list"
    COUNT = "count"


@dataclass(slots=True)
class Upper:
    """What was found.

    Attributes:
        entries: By path; directories come before what is in them.
        counts: Names that are no directories, below each directory that was only counted.
        cut: Directories that were not, or not wholly, looked into.
    """

    entries: dict[str, UpperEntry] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)


Policy = Callable[[str, list[str]], Descent]
"""Given a directory and the names in it: whether they are listed."""


@dataclass(slots=True)
class _Frame:
    fd: int
    path: str
    pending: Iterator[str]
    counted_at: str | None


class UpperWalk:
    """One walk. Every directory is opened from its parent's descriptor, and no link is followed."""

    def __init__(self, policy: Policy, limits: TreeLimits = WALK_LIMITS) -> None:
        self._policy = policy
        self._limits = limits
        self._left = limits.entries
        self._found = Upper()

    def run(self, root_fd: int) -> Upper:
        """Walk everything below a directory, whose descriptor stays the caller's."""
        frames: list[_Frame] = []
        try:
            self._scan(frames, os.dup(root_fd), "", None)
            while frames:
                self._step(frames)
        finally:
            for frame in frames:
                os.close(frame.fd)
        return self._found

    def _step(self, frames: list[_Frame]) -> None:
        top = frames[-1]
        name = next(top.pending, None)
        if name is None:
            os.close(frames.pop().fd)
            return
        path = joined(top.path, name)
        too_deep = len(frames) >= self._limits.depth
        if too_deep or self._left <= 0 or len(os.fsencode(path)) > self._limits.path_bytes:
            self._found.cut.add(path)
            return
        try:
            fd = os.open(name, DIRECTORY_FLAGS, dir_fd=top.fd)
        except OSError:
            self._found.cut.add(path)  # it is being replaced; the next walk sees by what
            return
        self._scan(frames, fd, path, top.counted_at)

    def _scan(self, frames: list[_Frame], fd: int, path: str, counted_at: str | None) -> None:
        frame = _Frame(fd, path, iter(()), counted_at)
        frames.append(frame)  # from here on the descriptor is closed by `run`
        entries = self._listing(fd, path)
        if counted_at is None and self._policy(path, [entry.name for entry in entries]) is (
            Descent.COUNT
        ):
            frame.counted_at = path
            self._found.counts[path] = 0
        if frame.counted_at is None:
            self._note_opaque(fd, path)
            inner = [entry.name for entry in entries if self._add(fd, path, entry)]
        else:
            inner = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            self._found.counts[frame.counted_at] += len(entries) - len(inner)
        frame.pending = iter(inner)

    def _listing(self, fd: int, path: str) -> list[os.DirEntry[str]]:
        entries: list[os.DirEntry[str]] = []
        with os.scandir(fd) as listing:
            for entry in listing:
                if self._left <= 0:
                    self._found.cut.add(path)
                    break
                self._left -= 1
                entries.append(entry)
        return sorted(entries, key=lambda entry: entry.name)

    def _note_opaque(self, fd: int, path: str) -> None:
        if path:  # overlayfs merges the root whatever its attributes say
            with suppress(OSError):
                self._found.entries[path].opaque = os.getxattr(fd, _OPAQUE) == b"y"

    def _add(self, fd: int, directory: str, entry: os.DirEntry[str]) -> bool:
        """Note an entry; give whether it is a directory."""
        with suppress(OSError):  # gone meanwhile
            status = entry.stat(follow_symlinks=False)
            kind = _kind(status)
            link = os.readlink(entry.name, dir_fd=fd) if kind is UpperKind.SYMLINK else None
            path = joined(directory, entry.name)
            self._found.entries[path] = UpperEntry(
                kind,
                stat.S_IMODE(status.st_mode) & 0o777,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                status.st_ino,
                link,
            )
            return kind is UpperKind.DIRECTORY
        return False


def _kind(status: os.stat_result) -> UpperKind:
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFREG:
            return UpperKind.FILE
        case stat.S_IFDIR:
            return UpperKind.DIRECTORY
        case stat.S_IFLNK:
            return UpperKind.SYMLINK
        case stat.S_IFCHR if status.st_rdev == 0:
            return UpperKind.WHITEOUT
        case _:
            return UpperKind.SPECIAL
