# SPDX-License-Identifier: Apache-2.0
"""Agents' logins below the user's configuration (compat CRD-01)."""

import errno
import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from typing_extensions import override

from bbox_server.domain.agent import agent_name
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.login import (
    CredentialFile,
    CredentialUpdate,
    FoundCredentials,
    HostLogins,
    LoginStore,
    SavedFile,
    SavedLogin,
    login_update,
)
from bbox_server.infra.credential.login_files import (
    files_below,
    locked,
    read_file,
    remove_file,
    replace_file,
)


class DiskLoginStore(LoginStore):
    """`agent-state/AGENT/PATH`, for the user alone; changed under the agent's lock only."""

    def __init__(self, *, config: Path) -> None:
        self._root = config / "agent-state"

    @override
    def load(self, agent: str, paths: tuple[PurePosixPath, ...]) -> tuple[CredentialFile, ...]:
        directory = self._directory(agent)
        if not directory.is_dir():
            return ()
        with _translated(directory), locked(directory, fcntl.LOCK_SH):
            return tuple(
                read_file(directory, path)
                for path in files_below(directory)
                if any(path == root or root in path.parents for root in paths)
            )

    @override
    def save(
        self, agent: str, given: tuple[CredentialFile, ...], found: FoundCredentials
    ) -> CredentialUpdate:
        directory = self._directory(agent)
        if not found.files and not directory.is_dir():
            return CredentialUpdate()
        with _translated(directory), locked(directory, fcntl.LOCK_EX):
            stored = tuple(read_file(directory, path) for path in files_below(directory))
            update = login_update(stored, given, found)
            for path in update.removed:
                remove_file(directory, path)
            for file in update.written:
                replace_file(directory, file)
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
        with _translated(directory), locked(directory, fcntl.LOCK_EX):
            shutil.rmtree(directory)
        return True

    def _directory(self, agent: str) -> Path:
        return self._root / agent_name(agent)

    def _exists(self) -> bool:
        return self._root.is_dir()

    def _saved(self, name: str) -> SavedLogin:
        directory = self._root / name
        files = []
        for path in files_below(directory):
            status = (directory / path).lstat()
            files.append(SavedFile(path=path, size=status.st_size, modified_at=status.st_mtime))
        return SavedLogin(agent=name, files=tuple(files))


class HomeLogins(HostLogins):
    """Below the user's home."""

    def __init__(self, *, home: Path) -> None:
        self._home = home

    @override
    def read(self, path: PurePosixPath) -> CredentialFile | None:
        with suppress(OSError):
            return read_file(self._home, path)
        return None


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
