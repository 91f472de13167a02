# SPDX-License-Identifier: Apache-2.0
"""Files of a login on disk: no link is followed, each is old or new, and one changes them."""

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from bbox_server.domain.login import FILE_BYTES, LOCK_NAME, CredentialFile

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_PART: Final = ".cred-"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


def files_below(directory: Path) -> list[PurePosixPath]:
    """Ordinary files of a login that can be carried, by path; links are not followed."""
    found = []
    for root, _, names in os.walk(directory):
        for name in names:
            path = Path(root, name)
            status = path.lstat()
            ordinary = stat.S_ISREG(status.st_mode) and status.st_size <= FILE_BYTES
            if ordinary and name != LOCK_NAME and not name.startswith(_PART):
                found.append(PurePosixPath(path.relative_to(directory)))
    return sorted(found)


def read_file(directory: Path, path: PurePosixPath) -> CredentialFile:
    """An ordinary file, as far as a login may be long. Raises: OSError."""
    with _opened_parent(directory, path) as parent:
        descriptor = os.open(path.name, _READ, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        return CredentialFile(path=path, content=file.read(FILE_BYTES + 1))


def replace_file(directory: Path, file: CredentialFile) -> None:
    """Write beside and rename: whoever reads finds the old or the new content.

    It is for its owner alone; root leaves a user's file to that user. Raises: OSError.
    """
    part = f"{_PART}{secrets.token_hex(8)}.tmp"
    with _opened_parent(directory, file.path, make=True) as parent:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(part, flags, FILE_MODE, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                _keep_owner(descriptor, file.path.name, parent)
                stream.write(file.content)
                stream.flush()
                os.fsync(descriptor)
            os.rename(part, file.path.name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(part, dir_fd=parent)
            raise
        os.fsync(parent)


def _keep_owner(descriptor: int, name: str, parent: int) -> None:
    if os.geteuid() != 0:
        return
    with suppress(FileNotFoundError):
        before = os.stat(name, dir_fd=parent, follow_symlinks=False)
        os.fchown(descriptor, before.st_uid, before.st_gid)


def remove_file(directory: Path, path: PurePosixPath) -> None:
    """Remove a file, and the directories that are empty then: a file may take their place."""
    with _opened_parent(directory, path) as parent:
        os.unlink(path.name, dir_fd=parent)
    for empty in path.parents[:-1]:
        try:
            (directory / empty).rmdir()
        except OSError:
            return


@contextmanager
def _opened_parent(directory: Path, path: PurePosixPath, *, make: bool = False) -> Iterator[int]:
    """The directory that a file lies in; no part of the way below `directory` is a link."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in path.parts[:-1]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, DIRECTORY_MODE, dir_fd=descriptor)
            below = os.open(name, _DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def locked(directory: Path, kind: int) -> Iterator[None]:
    """Hold the lock of a directory, which is made; `kind` is of flock(2)."""
    lock = _lock(directory, kind)
    try:
        yield
    finally:
        os.close(lock)


def make_directory(directory: Path) -> None:
    """A directory and its parent, for the user alone."""
    for path in (directory.parent, directory):
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        path.chmod(DIRECTORY_MODE)


def open_lock(path: Path) -> int:
    """A file to lock; it is the caller's to close."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, FILE_MODE)


def _lock(directory: Path, kind: int) -> int:
    """The lock of a directory that is still there: `clear` takes both away."""
    while True:
        make_directory(directory)
        path = directory / LOCK_NAME
        lock = open_lock(path)
        fcntl.flock(lock, kind)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock), path.lstat()):
                return lock
        os.close(lock)
