# SPDX-License-Identifier: Apache-2.0
"""Sessions on disk: one directory each, one writer each."""

import dataclasses
import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import (
    SessionDirectories,
    SessionId,
    SessionRecord,
    SessionStore,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.sessions import record as codec

SESSION_ID: Final = re.compile(r"[0-9a-f]{8}")
# Traversable, not readable: the sandbox uid must reach its own files below (ARCHITECTURE.md).
DIRECTORY_MODE: Final = 0o711
RECORD: Final = "record.json"
LOCK: Final = "lock"


def _make_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    # not mkdir's mode: the umask would take from it
    path.chmod(DIRECTORY_MODE)


def replace_durably(path: Path, content: bytes) -> None:
    """Replace a file so that a crash leaves the old or the new content, never a part."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        part.chmod(0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class DiskSessionStore(SessionStore):
    """Sessions below STATE/sessions, sockets below RUNTIME.

    Attributes:
        keep_runtime: Leave what a VM was started from, for somebody who looks for a defect.
    """

    def __init__(self, *, state: Path, runtime: Path, keep_runtime: bool = False) -> None:
        self._root = state / "sessions"
        self._runtime = runtime
        self._keep_runtime = keep_runtime

    @override
    def create(self, record: SessionRecord) -> SessionDirectories:
        directories = self._directories(record.id)
        try:
            _make_directory(self._root)
            _make_directory(Path(directories.state))
            Path(directories.state, LOCK).touch(mode=0o600)
            self.save(record)
        except OSError as error:
            raise _no_room(error, directories.state) from error
        return directories

    @override
    @contextmanager
    def hold(self, session: SessionId) -> Iterator[SessionDirectories]:
        directories = self._directories(session)
        lock = self._open_lock(session)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BboxError(
                    ErrorCode.SESSION_BUSY,
                    cause=f"Session {session} is in use by another bbox process.",
                    remediation="Let that process finish, or end it, then try again.",
                ) from error
            runtime = Path(directories.runtime)
            _make_directory(runtime)
            try:
                yield directories
            finally:
                if not self._keep_runtime:
                    shutil.rmtree(runtime, ignore_errors=True)
        finally:
            os.close(lock)

    @override
    def save(self, record: SessionRecord) -> None:
        path = self._root / record.id / RECORD
        try:
            replace_durably(path, codec.encode(record))
        except OSError as error:
            raise _no_room(error, str(path)) from error

    @override
    def list(self) -> tuple[SessionRecord, ...]:
        if not self._root.is_dir():
            return ()
        names = [path.name for path in self._root.iterdir() if SESSION_ID.fullmatch(path.name)]
        records = [self._load(SessionId(name)) for name in names]
        readable = [record for record in records if record is not None]
        return tuple(sorted(readable, key=lambda record: record.created_at, reverse=True))

    @override
    def remove(self, session: SessionId) -> None:
        with self.hold(session) as directories:
            root = Path(directories.state)
            # overlayfs leaves its work directory with mode 000 (guest.md, traps)
            work = root / "upper" / "w" / "work"
            if work.is_dir():
                work.chmod(0o700)
            # last the record: a removal that is cut short shows up again in the list
            for entry in root.iterdir():
                if entry.name in {RECORD, LOCK}:
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()
            shutil.rmtree(root)

    def forget_unborn(self, session: SessionId) -> None:
        """Delete what the host of a run left that could not begin; a session is not touched."""
        directory = self._root / session
        if SESSION_ID.fullmatch(session) and not (directory / RECORD).exists():
            shutil.rmtree(directory, ignore_errors=True)

    def _load(self, session: SessionId) -> SessionRecord | None:
        try:
            content = (self._root / session / RECORD).read_bytes()
        except OSError:
            return None
        try:
            record = codec.decode(content, session)
        except BboxError:
            return None
        return dataclasses.replace(record, held=self._is_held(session))

    def _is_held(self, session: SessionId) -> bool:
        try:
            lock = self._open_lock(session)
        except BboxError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def _open_lock(self, session: SessionId) -> int:
        path = self._root / session / LOCK
        try:
            if SESSION_ID.fullmatch(session):
                return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            pass
        raise BboxError(
            ErrorCode.SESSION_UNKNOWN,
            cause=f"There is no session {session!r}.",
            remediation="`bbox sessions` lists them.",
        )

    def _directories(self, session: SessionId) -> SessionDirectories:
        return SessionDirectories(
            state=HostPath(str(self._root / session)),
            runtime=HostPath(str(self._runtime / session)),
        )


def _no_room(error: OSError, path: str) -> BboxError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return BboxError(
            ErrorCode.DISK_FULL,
            cause=f"{path} could not be written: {error.strerror}.",
            remediation="Free some space (`bbox sessions` shows what waits for review), try again.",
        )
    return BboxError(
        ErrorCode.SESSION_CORRUPT,
        cause=f"{path} could not be written: {error.strerror}.",
        remediation="Check the permissions of that directory, then try again.",
    )
