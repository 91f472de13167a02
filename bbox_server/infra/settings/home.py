# SPDX-License-Identifier: Apache-2.0
"""Reading below the user's home without following a link (compat SET-02).

A link of a settings directory may lead to a key elsewhere; what is opened is opened by name in a
directory's descriptor.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.settings import DEPTH_LIMIT, FILE_LIMIT_BYTES
from bbox_server.infra.settings.formats import UnusableFileError

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a fifo must not wait for someone to write to it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A regular file's content, and whether its owner may run it."""

    content: bytes
    is_executable: bool


@contextmanager
def home_directory(home: str) -> Iterator[int]:
    """A descriptor of the home itself, which may be a link. Raises: OSError."""
    fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def read_file(home_fd: int, path: PurePosixPath) -> FoundFile:
    """A small regular file.

    Raises:
        FileNotFoundError: There is nothing of that name.
        UnusableFileError: It may not be read, for the reason that the text says.
    """
    with _parent(home_fd, path) as parent_fd:
        fd = _opened(path.name, _FILE, parent_fd)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise UnusableFileError("it is no regular file")
    with os.fdopen(fd, "rb") as file:
        content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise UnusableFileError(f"it is larger than {FILE_LIMIT_BYTES} bytes")
    return FoundFile(content=content, is_executable=bool(status.st_mode & stat.S_IXUSR))


def list_files(
    home_fd: int, path: PurePosixPath
) -> Iterator[tuple[PurePosixPath, UnusableFileError | None]]:
    """Everything below a directory that is no directory, in order, and what can't be listed.

    Raises:
        FileNotFoundError: There is nothing of that name.
        UnusableFileError: It is no directory.
    """
    pending = [path]
    while pending:
        directory = pending.pop()
        try:
            names, inner = _listed(home_fd, directory)
        except UnusableFileError as error:
            if directory == path:
                raise
            yield directory, error
            continue
        yield from ((directory / name, None) for name in names)
        if len(directory.parts) - len(path.parts) >= DEPTH_LIMIT:
            too_deep = UnusableFileError(f"it is more than {DEPTH_LIMIT} directories deep")
            yield from ((directory / name, too_deep) for name in inner)
        else:
            pending += [directory / name for name in reversed(inner)]


def _listed(home_fd: int, directory: PurePosixPath) -> tuple[list[str], list[str]]:
    with _parent(home_fd, directory) as parent_fd:
        fd = _opened(directory.name, _DIRECTORY, parent_fd)
    try:
        with os.scandir(fd) as entries:
            found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    finally:
        os.close(fd)
    return (
        [name for name, is_directory in found if not is_directory],
        [name for name, is_directory in found if is_directory],
    )


@contextmanager
def _parent(home_fd: int, path: PurePosixPath) -> Iterator[int]:
    current = os.dup(home_fd)
    try:
        for name in path.parts[:-1]:
            following = _opened(name, _DIRECTORY, current)
            os.close(current)
            current = following
        yield current
    finally:
        os.close(current)


def _opened(name: str, flags: int, parent_fd: int) -> int:
    try:
        return os.open(name, flags, dir_fd=parent_fd)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnusableFileError(_reason(name, parent_fd, error)) from error


def _reason(name: str, parent_fd: int, error: OSError) -> str:
    try:
        status = os.stat(name, dir_fd=parent_fd, follow_symlinks=False)
    except OSError:
        return str(error.strerror)
    if stat.S_ISLNK(status.st_mode):
        return f"{name} is a symbolic link"
    return str(error.strerror)
