# SPDX-License-Identifier: Apache-2.0
"""The files of logins that the host holds, and who may renew one at a time."""

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.held_login import HeldLogin, LoginPlace
from bbox_server.domain.login import CredentialFile
from bbox_server.infra.credential.login_files import (
    locked,
    make_directory,
    open_lock,
    read_file,
    replace_file,
)

LOCK_WAIT_S: Final = 40.0
"""Longer than another session's renewal takes, with its own time limit."""

_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLoginFiles:
    """`agent-state/AGENT/PATH` and the user's own.

    Attributes:
        config: Where `agent-state` is.
        home: The user's.
    """

    config: Path
    home: Path
    pause: Callable[[float], None] = time.sleep

    @contextmanager
    def renewing(self, login: HeldLogin) -> Iterator[None]:
        """Keep other sessions from renewing the login; they wait. Blocks: for a thread.

        Raises: TimeoutError, OSError.
        """
        lock = self._lock(login)
        try:
            yield
        finally:
            os.close(lock)

    def read(self, login: HeldLogin) -> bytes | None:
        """The file, or None where there is none."""
        with suppress(OSError), self._kept(login, fcntl.LOCK_SH):
            return read_file(self._root(login), login.kind.path).content
        return None

    def replace(self, login: HeldLogin, content: bytes) -> None:
        """Write it back. Raises: OSError."""
        with self._kept(login, fcntl.LOCK_EX):
            replace_file(self._root(login), CredentialFile(path=login.kind.path, content=content))

    def _root(self, login: HeldLogin) -> Path:
        if login.place is LoginPlace.HOME:
            return self.home
        return self._state / login.agent

    @property
    def _state(self) -> Path:
        return self.config / "agent-state"

    @contextmanager
    def _kept(self, login: HeldLogin, kind: int) -> Iterator[None]:
        if login.place is LoginPlace.HOME:
            yield  # the agent on this host takes no lock of ours
            return
        with locked(self._root(login), kind):
            yield

    def _lock(self, login: HeldLogin) -> int:
        # Apart from the store's own lock: that one is waited for without a time limit.
        name = login.form if login.place is LoginPlace.HOME else login.agent
        make_directory(self._state)
        lock = open_lock(self._state / f".renewal-{login.place}-{name}.lock")
        try:
            for _ in range(round(LOCK_WAIT_S / _POLL_S)):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return lock
                self.pause(_POLL_S)
        except OSError:
            os.close(lock)
            raise
        os.close(lock)
        raise TimeoutError(errno.ETIMEDOUT, "another session renews it and does not end")
