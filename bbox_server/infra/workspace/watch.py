# SPDX-License-Identifier: Apache-2.0
"""Notices that something changed below a directory that a guest writes.

inotify on descriptors of our own: a general watcher follows the links that a guest makes, out of
the tree and over the whole host (watchfiles 1.3 does), and takes its paths by name.
"""

import asyncio
import ctypes
import errno
import os
import struct
from collections.abc import AsyncGenerator
from typing import Final

from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS
from bbox_server.infra.workspace.limits import WALK_LIMITS

DEBOUNCE_S: Final = 0.05
# Where watches run out (fs.inotify.max_user_watches), the rest is looked at that often.
POLL_S: Final = 2.0
WATCH_LIMIT: Final = 50_000

_MODIFY, _ATTRIB, _CLOSE_WRITE = 0x2, 0x4, 0x8
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_ONLYDIR, _ISDIR, _OVERFLOW, _IGNORED = 0x01000000, 0x40000000, 0x4000, 0x8000
_MASK: Final = (
    _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR
)
_EVENT: Final = struct.Struct("iIII")
_BUFFER_BYTES: Final = 1 << 16

_libc: Final = ctypes.CDLL(None, use_errno=True)


async def watch_directory(root_fd: int) -> AsyncGenerator[None, None]:
    """Yield after changes below a directory, whose descriptor stays the caller's.

    A burst is one. It yields at once when it watches, for what changed before; without enough
    watches it also yields now and then without a change.
    """
    watches = _Watches(root_fd)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        await asyncio.to_thread(watches.add, "")
        loop.add_reader(watches.fd, readable.set)
        yield None
        while True:
            try:
                async with asyncio.timeout(POLL_S if watches.is_partial else None):
                    await readable.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(DEBOUNCE_S)
            await asyncio.to_thread(watches.drain)
            readable.clear()
            yield None
    finally:
        loop.remove_reader(watches.fd)
        watches.close()


class _Watches:
    """One inotify descriptor with a watch on every directory.

    Attributes:
        is_partial: Some directories are not watched: there were too many.
    """

    def __init__(self, root_fd: int) -> None:
        self.is_partial = False
        self._root_fd = os.dup(root_fd)
        self._paths: dict[int, str] = {}
        self.fd = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            # No instance left (fs.inotify.max_user_instances): an idle pipe, and polling.
            self.fd, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            self.is_partial = True
        else:
            self._writer = -1

    def close(self) -> None:
        for fd in (self.fd, self._root_fd, self._writer):
            if fd >= 0:
                os.close(fd)

    def add(self, path: str) -> None:
        """Watch a directory and all below it; what is there already is found by the next walk."""
        try:
            fd = _open_below(self._root_fd, path)
        except OSError:
            return
        frames = [(fd, path, self._watched(fd, path))]
        try:
            while frames:
                self._step(frames)
        finally:
            for frame in frames:
                os.close(frame[0])

    def _step(self, frames: list[tuple[int, str, list[str]]]) -> None:
        fd, path, names = frames[-1]
        if not names:
            os.close(frames.pop()[0])
            return
        name = names.pop()
        if len(frames) >= WALK_LIMITS.depth:
            self.is_partial = True
            return
        try:
            inner = os.open(name, DIRECTORY_FLAGS, dir_fd=fd)
        except OSError:
            return
        below = f"{path}/{name}" if path else name
        frames.append((inner, below, self._watched(inner, below)))

    def _watched(self, fd: int, path: str) -> list[str]:
        """Watch an open directory, and give the names of the directories in it."""
        if self._writer >= 0 or len(self._paths) >= WATCH_LIMIT:
            self.is_partial = True
            return []
        watch = _libc.inotify_add_watch(self.fd, b"/proc/self/fd/%d" % fd, _MASK)
        if watch < 0:
            self.is_partial |= ctypes.get_errno() in (errno.ENOSPC, errno.ENOMEM)
            return []
        self._paths[watch] = path
        with os.scandir(fd) as listing:
            return [entry.name for entry in listing if entry.is_dir(follow_symlinks=False)]

    def drain(self) -> None:
        """Take all events, and watch directories that are new."""
        fresh: set[str] = set()
        while True:
            try:
                content = os.read(self.fd, _BUFFER_BYTES)
            except BlockingIOError:
                break
            fresh |= self._new_directories(content)
        for path in sorted(fresh):
            self.add(path)

    def _new_directories(self, content: bytes) -> set[str]:
        found: set[str] = set()
        offset = 0
        while offset < len(content):
            watch, mask, _, length = _EVENT.unpack_from(content, offset)
            start = offset + _EVENT.size
            offset = start + length
            directory = self._paths.get(watch)
            if mask & _OVERFLOW or (mask & _ISDIR and mask & (_MOVED_FROM | _MOVED_TO)):
                found.add("")  # the paths that were noted may be of other directories now
            elif mask & _IGNORED:
                self._paths.pop(watch, None)
            elif mask & _ISDIR and mask & _CREATE and directory is not None:
                name = os.fsdecode(content[start:offset].split(b"\0", 1)[0])
                found.add(f"{directory}/{name}" if directory else name)
        return {""} if "" in found else found


def _open_below(root_fd: int, path: str) -> int:
    fd = os.dup(root_fd)
    for name in path.split("/") if path else ():
        try:
            inner = os.open(name, DIRECTORY_FLAGS, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd
