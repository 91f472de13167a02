# SPDX-License-Identifier: Apache-2.0
"""A session's flushes on disk, numbered from 1."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId
from bbox_server.domain.plan import FLUSH_PREFIX
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS, open_directory
from bbox_server.infra.workspace.flush_journal import Journal, Record
from bbox_server.infra.workspace.flush_record import Intent
from bbox_server.infra.workspace.flush_steps import Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushStore:
    """The journals of one session.

    Attributes:
        directory: The session's directory of flushes; made when it is needed.
    """

    directory: HostPath
    session: SessionId
    steps: Steps

    def ids(self) -> tuple[FlushId, ...]:
        """All flushes, oldest first."""
        try:
            names = [entry.name for entry in Path(self.directory).iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(sorted(FlushId(int(name)) for name in names if name.isdecimal()))

    @contextmanager
    def begin(self, intent: Intent) -> Iterator[Journal]:
        """Make a journal and record the intent in it."""
        Path(self.directory).mkdir(mode=0o700, parents=True, exist_ok=True)
        flush = FlushId(max(self.ids(), default=0) + 1)
        store_fd = open_directory(self.directory)
        try:
            self.steps.make_journal((store_fd, str(flush).encode()))
        finally:
            os.close(store_fd)
        with self.opened(flush) as journal:
            journal.write_intent(intent)
            yield journal

    @contextmanager
    def opened(self, flush: FlushId) -> Iterator[Journal]:
        """The journal of a flush. Raises: flush.unknown."""
        try:
            fd = open_directory(str(Path(self.directory, str(flush))))
        except FileNotFoundError as error:
            raise BboxError(
                ErrorCode.FLUSH_UNKNOWN,
                cause=f"This session has no flush {flush}.",
                remediation="Leave the number out to undo the last one.",
            ) from error
        prefix = f"{FLUSH_PREFIX}{self.session}-{flush}-".encode()
        try:
            yield Journal(fd=fd, flush=flush, prefix=prefix, steps=self.steps)
        finally:
            os.close(fd)

    def discard(self, journal: Journal) -> None:
        """Remove a journal that took nothing out of the workspace; its intent goes last."""
        with os.scandir(journal.fd) as entries:
            names = {os.fsencode(entry.name) for entry in entries}
        intent = Record.INTENT.encode()
        for name in sorted(names - {intent}) + sorted(names & {intent}):
            self.steps.remove_leftover((journal.fd, name))
        store_fd = os.open(self.directory, DIRECTORY_FLAGS)
        try:
            self.steps.remove_journal((store_fd, str(journal.flush).encode()))
        finally:
            os.close(store_fd)
