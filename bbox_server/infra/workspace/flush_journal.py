# SPDX-License-Identifier: Apache-2.0
"""The directory of one flush: its records and what it took out of the workspace.

intent    what is going to be done                  from here on, recovery rolls back
commit    everything staged is on the disk          from here on, recovery goes forward
outcomes  one line for each operation, as it ends
old-N     what operation N replaced or deleted      kept for undo
other-N   what came out and was nobody's; kept so that nothing is ever lost
done      all outcomes are in the log
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from bbox_server.domain.flush import FlushId, PathResult
from bbox_server.infra.workspace.beneath import FILE_FLAGS, open_file
from bbox_server.infra.workspace.flush_record import (
    Commit,
    Intent,
    decode_commit,
    decode_intent,
    decode_outcomes,
    encode_commit,
    encode_intent,
    encode_outcome,
)
from bbox_server.infra.workspace.flush_steps import Place, Steps


class Record(StrEnum):
    """Names of the records."""

    INTENT = "intent"
    COMMIT = "commit"
    OUTCOMES = "outcomes"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One flush's directory.

    Attributes:
        fd: Its descriptor; whoever made the journal closes it.
        prefix: Begins the names of what is staged in the workspace.
    """

    fd: int
    flush: FlushId
    prefix: bytes
    steps: Steps

    def temporary(self, index: int) -> bytes:
        """The name in the workspace of what an operation has staged completely."""
        return self.prefix + str(index).encode()

    def part(self, index: int) -> bytes:
        """The name in the workspace of what is not complete yet."""
        return self.temporary(index) + b".part"

    def old(self, index: int) -> Place:
        """Where what an operation took out of the workspace is kept."""
        return self.fd, f"old-{index}".encode()

    def other(self, index: int) -> Place:
        """Where something unexpected is kept that could not be put back."""
        return self.fd, f"other-{index}".encode()

    def has(self, name: bytes) -> bool:
        """Whether the directory has an entry."""
        try:
            os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def write_intent(self, intent: Intent) -> None:
        """Record what is going to be done."""
        self._write(Record.INTENT, encode_intent(intent))

    def write_commit(self, commit: Commit) -> None:
        """Record that everything is staged."""
        self._write(Record.COMMIT, encode_commit(commit))

    def write_done(self) -> None:
        """Record that every outcome is in the log and on the disk."""
        with suppress(FileNotFoundError):
            fd = os.open(Record.OUTCOMES.encode(), FILE_FLAGS | os.O_RDONLY, dir_fd=self.fd)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        self._write(Record.DONE, b"{}")

    def log(self, index: int, result: PathResult) -> None:
        """Record one outcome."""
        place = (self.fd, Record.OUTCOMES.encode())
        self.steps.log_outcome(place, encode_outcome(index, result))

    def intent(self) -> Intent | None:
        """What was going to be done; None when that was never recorded."""
        content = self._read(Record.INTENT)
        return None if content is None else decode_intent(content)

    def commit(self) -> Commit | None:
        """The point of no return; None before it."""
        content = self._read(Record.COMMIT)
        return None if content is None else decode_commit(content)

    def outcomes(self, intent: Intent) -> dict[int, PathResult]:
        """What is known of each operation so far."""
        return decode_outcomes(self._read(Record.OUTCOMES) or b"", intent.operations)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to recover."""
        return self.has(Record.DONE.encode())

    def _write(self, record: Record, content: bytes) -> None:
        preliminary = (self.fd, f"{record}.new".encode())
        if self.has(preliminary[1]):
            self.steps.remove_leftover(preliminary)
        self.steps.write_record(preliminary, content)
        self.steps.name_record(preliminary, (self.fd, record.encode()))

    def _read(self, record: Record) -> bytes | None:
        try:
            fd = open_file(self.fd, record.encode())
        except FileNotFoundError:
            return None
        with os.fdopen(fd, "rb") as file:
            return file.read()
