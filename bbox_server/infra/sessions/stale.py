# SPDX-License-Identifier: Apache-2.0
"""Leftovers in STATE/sessions and RUNTIME (P-50, P-52)."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.housekeeping import StaleFiles
from bbox_server.domain.session import SessionId
from bbox_server.infra.sessions.store import LOCK, RECORD, SESSION_ID

HOSTS: Final = "hosts"


class DiskStaleFiles(StaleFiles):
    """A session is alive while somebody has its lock, whatever its record or a pid says."""

    def __init__(self, *, state: Path, runtime: Path) -> None:
        self._sessions = state / "sessions"
        self._runtime = runtime

    @override
    def sweep(self, oldest: float) -> tuple[SessionId, ...]:
        swept: set[SessionId] = set()
        for path in _entries(self._sessions):
            if SESSION_ID.fullmatch(path.name) and self._sweep_stillborn(path, oldest):
                swept.add(SessionId(path.name))
        for path in _entries(self._runtime):
            if SESSION_ID.fullmatch(path.name) and self._sweep_runtime(path):
                swept.add(SessionId(path.name))
        for path in _entries(self._runtime / HOSTS):
            if SESSION_ID.fullmatch(path.stem) and self._sweep_socket(path):
                swept.add(SessionId(path.stem))
        return tuple(sorted(swept))

    def _sweep_stillborn(self, directory: Path, oldest: float) -> bool:
        """A directory with a host's log alone: its run failed before there was a session."""
        if (directory / RECORD).exists() or directory.stat().st_mtime > oldest:
            return False
        with self._locked(directory.name) as is_ours:
            if is_ours:
                shutil.rmtree(directory, ignore_errors=True)
        return is_ours

    def _sweep_socket(self, path: Path) -> bool:
        """Of a session that exists, the next client puts it right, under its own lock."""
        if (self._sessions / path.stem).exists():
            return False
        path.unlink(missing_ok=True)
        return True

    def _sweep_runtime(self, path: Path) -> bool:
        if path.is_symlink() or not path.is_dir():
            return False
        with self._locked(path.name) as is_ours:
            if is_ours:
                shutil.rmtree(path, ignore_errors=True)
        return is_ours

    @contextmanager
    def _locked(self, session: str) -> Iterator[bool]:
        """Whether nobody else has the session; what has no lock file is nobody's."""
        try:
            flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
            lock = os.open(self._sessions / session / LOCK, flags)
        except FileNotFoundError:
            yield True
            return
        try:
            yield _try_lock(lock)
        finally:
            os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _entries(directory: Path) -> list[Path]:
    with suppress(OSError):
        return list(directory.iterdir())
    return []
