# SPDX-License-Identifier: Apache-2.0
"""Files and directories that appear whole or not at all."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bbox_server.infra.images.faults import disk_full, is_disk_full

_NEW: Final = ".new-"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file of ours, readable by all, in one step. Raises: disk.full."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=_NEW)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, 0o444)
            file.flush()
            os.fsync(fd)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path.parent) from error
        raise


@contextmanager
def new_directory(parent: Path) -> Iterator[Path]:
    """An empty directory to fill and to rename; what is left of it at the end is removed.

    A lock on it says that somebody fills it: what a killed process left behind has none, and the
    next caller removes it.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    path = Path(tempfile.mkdtemp(dir=parent, prefix=_NEW))
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(fd)
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes of ours out of a directory."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def publish(new: Path, final: Path) -> None:
    """Give a filled directory its name, for good."""
    new.chmod(0o755)
    _sync(new)
    new.rename(final)
    _sync(final.parent)


def _sweep(parent: Path) -> None:
    for path in parent.glob(f"{_NEW}*"):
        with suppress(OSError):
            _remove_unlocked(path)


def _remove_unlocked(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(fd)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
