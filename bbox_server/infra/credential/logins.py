# SPDX-License-Identifier: Apache-2.0
"""Agents' logins below the user's configuration (compat CRD-01)."""

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

from bbox_server.domain.agent import agent_name
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.login import (
    FILE_BYTES,
    LOCK_NAME,
    CredentialFile,
    CredentialUpdate,
    FoundCredentials,
    HostLogins,
    LoginStore,
    SavedFile,
    SavedLogin,
    login_update,
)

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_PART: Final = ".cred-"
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC


class DiskLoginStore(LoginStore):
    """`agent-state/AGENT/PATH`, for the user alone; changed under the agent's lock only."""

    def __init__(self, *, config: Path) -> None:
        self._root = config / "agent-state"

    @override
    def load(self, agent: str, paths: tuple[PurePosixPath, ...]) -> tuple[CredentialFile, ...]:
        directory = self._directory(agent)
        if not directory.is_dir():
            return ()
        with _translated(directory), self._locked(directory, fcntl.LOCK_SH):
            return tuple(
                _read(directory, path)
                for path in _files(directory)
                if any(path == root or root in path.parents for root in paths)
            )

    @override
    def save(
        self, agent: str, given: tuple[CredentialFile, ...], found: FoundCredentials
    ) -> CredentialUpdate:
        directory = self._directory(agent)
        if not found.files and not directory.is_dir():
            return CredentialUpdate()
        with _translated(directory), self._locked(directory, fcntl.LOCK_EX):
            stored = tuple(_read(directory, path) for path in _files(directory))
            update = login_update(stored, given, found)
            for path in update.removed:
                _remove(directory, path)
            for file in update.written:
                _replace(directory, file)
        return update

    @override
    def list(self) -> tuple[SavedLogin, ...]:
        with _translated(self._root):
            names = sorted(path.name for path in self._root.iterdir()) if self._exists() else []
            logins = [self._saved(name) for name in names if _is_name(name)]
        return tuple(login for login in logins if login.files)

    @override
    def clear(self, agent: str) -> bool:
        directory = self._directory(agent)
        if not directory.is_dir():
            return False
        with _translated(directory), self._locked(directory, fcntl.LOCK_EX):
            shutil.rmtree(directory)
        return True

    def _directory(self, agent: str) -> Path:
        return self._root / agent_name(agent)

    def _exists(self) -> bool:
        return self._root.is_dir()

    def _saved(self, name: str) -> SavedLogin:
        directory = self._root / name
        files = []
        for path in _files(directory):
            status = (directory / path).lstat()
            files.append(SavedFile(path=path, size=status.st_size, modified_at=status.st_mtime))
        return SavedLogin(agent=name, files=tuple(files))

    @contextmanager
    def _locked(self, directory: Path, kind: int) -> Iterator[None]:
        lock = self._lock(directory, kind)
        try:
            yield
        finally:
            os.close(lock)

    def _lock(self, directory: Path, kind: int) -> int:
        """The lock of a directory that is still there: `clear` takes both away."""
        while True:
            _make_directory(directory)
            path = directory / LOCK_NAME
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
            fcntl.flock(lock, kind)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), path.lstat()):
                    return lock
            os.close(lock)


class HomeLogins(HostLogins):
    """Below the user's home."""

    def __init__(self, *, home: Path) -> None:
        self._home = home

    @override
    def read(self, path: PurePosixPath) -> CredentialFile | None:
        with suppress(OSError):
            return _read(self._home, path)
        return None


def _files(directory: Path) -> list[PurePosixPath]:
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


def _read(directory: Path, path: PurePosixPath) -> CredentialFile:
    with _opened_parent(directory, path) as parent:
        descriptor = os.open(path.name, _READ, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file")
        return CredentialFile(path=path, content=file.read(FILE_BYTES + 1))


def _replace(directory: Path, file: CredentialFile) -> None:
    """Write beside and rename: whoever reads finds the old or the new content."""
    part = f"{_PART}{secrets.token_hex(8)}.tmp"
    with _opened_parent(directory, file.path, make=True) as parent:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(part, flags, FILE_MODE, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(file.content)
                stream.flush()
                os.fsync(descriptor)
            os.rename(part, file.path.name, src_dir_fd=parent, dst_dir_fd=parent)
        except OSError:
            os.unlink(part, dir_fd=parent)
            raise
        os.fsync(parent)


def _remove(directory: Path, path: PurePosixPath) -> None:
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


def _make_directory(directory: Path) -> None:
    for path in (directory.parent, directory):
        path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        path.chmod(DIRECTORY_MODE)


def _is_name(name: str) -> bool:
    try:
        agent_name(name)
    except BboxError:
        return False
    return True


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise BboxError(
                ErrorCode.DISK_FULL,
                cause=f"{place} could not be written: {error.strerror}.",
                remediation="Free some space, then log in again.",
            ) from error
        raise BboxError(
            ErrorCode.CREDENTIAL_STORE_FAILED,
            cause=f"{error.filename or place}: {error.strerror} (below {place}).",
            remediation=f"Correct its owner and mode, or forget the login: "
            f"bbox auth clear {place.name}",
        ) from error
