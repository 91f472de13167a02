# SPDX-License-Identifier: Apache-2.0
"""Files below a directory descriptor, without ever following a link on the way.

Every path that the guest or the user can change under us is opened from a descriptor of its root,
one component at a time with O_NOFOLLOW: what is checked is what is used (compat P-12).
"""

import ctypes
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.workspace import Digest, WorkspacePath

DIRECTORY_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# O_NONBLOCK: a fifo that was swapped in must not hang us; it changes nothing for regular files.
FILE_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

_CHUNK_BYTES: Final = 1 << 20

_libc: Final = ctypes.CDLL(None, use_errno=True)


class RenameFlag(IntFlag):
    """Flags of renameat2(2)."""

    NONE = 0
    NO_REPLACE = 1
    EXCHANGE = 2


class NotRegularError(OSError):
    """What was opened as a file is a directory, fifo, socket or device."""


def path_of(name: bytes) -> WorkspacePath:
    """The workspace path of raw bytes; what is no UTF-8 is surrogate-escaped."""
    return PurePosixPath(os.fsdecode(name))


def components(path: WorkspacePath) -> tuple[bytes, ...]:
    """The names along a relative path.

    Raises:
        ValueError: The path is empty, absolute, or has a `..`, which no caller may pass.
    """
    names = tuple(os.fsencode(part) for part in path.parts)
    if not names or path.is_absolute() or b".." in names:
        msg = f"not a path below a root: {path!r}"
        raise ValueError(msg)
    return names


def open_directory(path: str) -> int:
    """A descriptor of a root directory, which the caller closes. The last component is no link."""
    return os.open(path, DIRECTORY_FLAGS)


@contextmanager
def parent_of(root_fd: int, path: WorkspacePath) -> Iterator[tuple[int, bytes]]:
    """The descriptor of a path's directory and its last name.

    Raises:
        FileNotFoundError: A directory on the way doesn't exist.
        NotADirectoryError: Something on the way is a file or a link.
    """
    *parents, name = components(path)
    current = os.dup(root_fd)
    try:
        for part in parents:
            following = os.open(part, DIRECTORY_FLAGS, dir_fd=current)
            os.close(current)
            current = following
        yield current, name
    finally:
        os.close(current)


def open_beneath(root_fd: int, path: WorkspacePath, flags: int = os.O_RDONLY) -> int:
    """Open an existing regular file; the caller closes the descriptor.

    Raises:
        NotRegularError: It is something else.
        OSError: As openat(2); ELOOP for a link.
    """
    with parent_of(root_fd, path) as (directory_fd, name):
        return open_file(directory_fd, name, flags)


def open_file(directory_fd: int, name: bytes, flags: int = os.O_RDONLY) -> int:
    """Open an existing regular file by its name in a directory. Raises as `open_beneath`."""
    fd = os.open(name, flags | FILE_FLAGS, dir_fd=directory_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotRegularError(name)
    return fd


def open_directory_beneath(root_fd: int, path: WorkspacePath) -> int:
    """Open a directory below a root; the caller closes the descriptor."""
    with parent_of(root_fd, path) as (directory_fd, name):
        return os.open(name, DIRECTORY_FLAGS, dir_fd=directory_fd)


def stat_beneath(root_fd: int, path: WorkspacePath) -> os.stat_result:
    """Status of a path itself, never of what a link points to."""
    with parent_of(root_fd, path) as (directory_fd, name):
        return os.stat(name, dir_fd=directory_fd, follow_symlinks=False)


def read_beneath(root_fd: int, path: WorkspacePath, limit_bytes: int) -> bytes:
    """A regular file's content, at most `limit_bytes` of it."""
    fd = open_beneath(root_fd, path)
    with os.fdopen(fd, "rb") as file:
        return file.read(limit_bytes)


def digest_beneath(root_fd: int, path: WorkspacePath) -> Digest:
    """SHA-256 of a regular file, in bounded memory."""
    fd = open_beneath(root_fd, path)
    try:
        return digest_of_descriptor(fd)
    finally:
        os.close(fd)


def digest_of_descriptor(fd: int) -> Digest:
    """SHA-256 from the descriptor's position to the end."""
    hasher = hashlib.sha256()
    while chunk := os.read(fd, _CHUNK_BYTES):
        hasher.update(chunk)
    return Digest(hasher.hexdigest())


def digest_of(content: bytes) -> Digest:
    """SHA-256 of bytes."""
    return Digest(hashlib.sha256(content).hexdigest())


def rename(source: tuple[int, bytes], target: tuple[int, bytes], flag: RenameFlag) -> None:
    """renameat2(2): atomic rename that refuses to replace, or swaps two existing names.

    Raises:
        OSError: As renameat2(2); EINVAL where the file system doesn't know the flag.
    """
    done = _libc.renameat2(
        source[0], ctypes.c_char_p(source[1]), target[0], ctypes.c_char_p(target[1]), int(flag)
    )
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(target[1]))


def write_all(fd: int, content: bytes) -> None:
    """Write everything, however short each write is."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]


def sync_filesystem(fd: int) -> None:
    """syncfs(2): one flush for a batch of files on one file system."""
    if _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
