# SPDX-License-Identifier: Apache-2.0
"""Every single thing that a flush does to a disk, each with the point after it.

A process can be killed, and a disk can fill up, between any two of these. Tests do both at every
point, and a guard fails when something else of the flush writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from typing_extensions import override

from bbox_server.infra.workspace.beneath import (
    FILE_FLAGS,
    RenameFlag,
    rename,
    sync_filesystem,
    write_all,
)
from bbox_server.infra.workspace.metadata import Metadata

Place = tuple[int, bytes]
"""A directory's descriptor and a name in it."""

# Smaller runs of zeros are not worth a hole.
_HOLE_BYTES: Final = 1 << 16

_NEW_FILE_FLAGS: Final = FILE_FLAGS | os.O_WRONLY | os.O_CREAT | os.O_EXCL


class FaultPoint(StrEnum):
    """Where a flush can be interrupted: after each thing that it does to a disk."""

    JOURNAL_MADE = "journalMade"
    RECORD_WRITTEN = "recordWritten"
    RECORD_NAMED = "recordNamed"
    PART_MADE = "partMade"
    PART_WRITTEN = "partWritten"
    PART_DRESSED = "partDressed"
    LINK_STAGED = "linkStaged"
    DIRECTORY_STAGED = "directoryStaged"
    STAGED = "staged"
    STAGES_SYNCED = "stagesSynced"
    CREATED = "created"
    EXCHANGED = "exchanged"
    EXCHANGED_BACK = "exchangedBack"
    MOVED_ASIDE = "movedAside"
    MOVED_BACK = "movedBack"
    ORIGINAL_MOVED = "originalMoved"
    ORIGINAL_COPIED = "originalCopied"
    DIRECTORY_MADE = "directoryMade"
    DIRECTORY_DRESSED = "directoryDressed"
    DIRECTORY_REMOVED = "directoryRemoved"
    MODE_CHANGED = "modeChanged"
    OUTCOME_LOGGED = "outcomeLogged"
    LEFTOVER_REMOVED = "leftoverRemoved"
    LEFTOVER_DIRECTORY_REMOVED = "leftoverDirectoryRemoved"
    APPLIED_SYNCED = "appliedSynced"
    JOURNAL_REMOVED = "journalRemoved"


class Faults(Protocol):
    """What tests put around each step."""

    def before(self, point: FaultPoint) -> None:
        """May raise the OSError that the step would have met."""
        ...

    def after(self, point: FaultPoint) -> None:
        """May end the process."""
        ...


class NoFaults(Faults):
    """What the product has around each step: nothing."""

    @override
    def before(self, point: FaultPoint) -> None:
        pass

    @override
    def after(self, point: FaultPoint) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The mutations. Each raises OSError and has no effect then."""

    faults: Faults = field(default_factory=NoFaults)

    def make_journal(self, place: Place) -> None:
        """Make a flush's directory, for us alone."""
        with self._step(FaultPoint.JOURNAL_MADE):
            os.mkdir(place[1], 0o700, dir_fd=place[0])

    def write_record(self, place: Place, content: bytes) -> None:
        """Write a record under a preliminary name, durably."""
        with self._step(FaultPoint.RECORD_WRITTEN):
            self._write_new(place, content)

    def name_record(self, source: Place, target: Place) -> None:
        """Give a record its name: from here on it counts."""
        with self._step(FaultPoint.RECORD_NAMED):
            rename(source, target, RenameFlag.NONE)
            os.fsync(target[0])

    def log_outcome(self, place: Place, line: bytes) -> None:
        """Append to the log of outcomes; a torn last line is ignored by its reader."""
        with self._step(FaultPoint.OUTCOME_LOGGED):
            flags = FILE_FLAGS | os.O_WRONLY | os.O_CREAT | os.O_APPEND
            fd = os.open(place[1], flags, 0o600, dir_fd=place[0])
            try:
                write_all(fd, line)
            finally:
                os.close(fd)

    def make_part(self, place: Place) -> int:
        """Make an empty file for staging; the caller closes the descriptor."""
        with self._step(FaultPoint.PART_MADE):
            return os.open(place[1], _NEW_FILE_FLAGS, 0o600, dir_fd=place[0])

    def write_part(self, fd: int, content: bytes) -> None:
        """Write a staged file's content, or a chunk of it; what is all zeros stays a hole."""
        with self._step(FaultPoint.PART_WRITTEN):
            if len(content) >= _HOLE_BYTES and content.count(0) == len(content):
                os.lseek(fd, len(content), os.SEEK_CUR)
            else:
                write_all(fd, content)

    def dress_part(self, fd: int, metadata: Metadata) -> None:
        """End a staged file where its content ends; give it its owner, attributes and mode."""
        with self._step(FaultPoint.PART_DRESSED):
            os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))
            metadata.put_on(fd)

    def stage_link(self, place: Place, target: str, owner: tuple[int, int] | None) -> None:
        """Make a staged link; None leaves it to whoever makes it."""
        with self._step(FaultPoint.LINK_STAGED):
            os.symlink(os.fsencode(target), place[1], dir_fd=place[0])
            if owner is not None:
                os.chown(place[1], *owner, dir_fd=place[0], follow_symlinks=False)

    def stage_directory(self, place: Place, mode: int) -> None:
        """Make a staged directory, which will take a file's place."""
        with self._step(FaultPoint.DIRECTORY_STAGED):
            os.mkdir(place[1], mode, dir_fd=place[0])

    def stage(self, part: Place, temporary: Place) -> None:
        """Give a complete staged file the name that only complete ones have."""
        with self._step(FaultPoint.STAGED):
            rename(part, temporary, RenameFlag.NO_REPLACE)

    def sync_stages(self, fd: int) -> None:
        """Bring a file system's staged files to the disk, all at once."""
        with self._step(FaultPoint.STAGES_SYNCED):
            sync_filesystem(fd)

    def create(self, temporary: Place, target: Place) -> None:
        """Put a staged file where nothing is."""
        with self._step(FaultPoint.CREATED):
            rename(temporary, target, RenameFlag.NO_REPLACE)

    def exchange(self, temporary: Place, target: Place) -> None:
        """Swap a staged file with its target."""
        with self._step(FaultPoint.EXCHANGED):
            rename(temporary, target, RenameFlag.EXCHANGE)

    def exchange_back(self, temporary: Place, target: Place) -> None:
        """Swap back what came out and was not the expected."""
        with self._step(FaultPoint.EXCHANGED_BACK):
            rename(temporary, target, RenameFlag.EXCHANGE)

    def move_aside(self, target: Place, temporary: Place) -> None:
        """Take what is to be deleted out of the way."""
        with self._step(FaultPoint.MOVED_ASIDE):
            rename(target, temporary, RenameFlag.NO_REPLACE)

    def move_back(self, temporary: Place, target: Place) -> None:
        """Put back what was not the expected."""
        with self._step(FaultPoint.MOVED_BACK):
            rename(temporary, target, RenameFlag.NO_REPLACE)

    def keep_original(self, temporary: Place, kept: Place) -> None:
        """Move what was replaced into the journal, on the same file system."""
        with self._step(FaultPoint.ORIGINAL_MOVED):
            rename(temporary, kept, RenameFlag.NO_REPLACE)

    def name_copy(self, copy: Place, kept: Place) -> None:
        """Let a complete copy of what was replaced count, where it can't be moved."""
        with self._step(FaultPoint.ORIGINAL_COPIED):
            rename(copy, kept, RenameFlag.NONE)

    def make_directory(self, place: Place, mode: int) -> None:
        """Make a directory of the workspace."""
        with self._step(FaultPoint.DIRECTORY_MADE):
            os.mkdir(place[1], mode, dir_fd=place[0])

    def dress_directory(self, fd: int, metadata: Metadata) -> None:
        """Give a made directory its owner and mode."""
        with self._step(FaultPoint.DIRECTORY_DRESSED):
            metadata.put_on(fd)

    def remove_directory(self, place: Place) -> None:
        """Remove an empty directory."""
        with self._step(FaultPoint.DIRECTORY_REMOVED):
            os.rmdir(place[1], dir_fd=place[0])

    def change_mode(self, fd: int, mode: int) -> None:
        """Change a file's permission bits."""
        with self._step(FaultPoint.MODE_CHANGED):
            os.fchmod(fd, mode)

    def remove_leftover(self, place: Place) -> None:
        """Remove what was staged, or copied, and is of no use any more."""
        with self._step(FaultPoint.LEFTOVER_REMOVED):
            os.unlink(place[1], dir_fd=place[0])

    def remove_leftover_directory(self, place: Place) -> None:
        """Remove an empty directory that was staged, or that was swapped out."""
        with self._step(FaultPoint.LEFTOVER_DIRECTORY_REMOVED):
            os.rmdir(place[1], dir_fd=place[0])

    def sync_applied(self, fd: int) -> None:
        """Bring a file system's applied operations to the disk."""
        with self._step(FaultPoint.APPLIED_SYNCED):
            sync_filesystem(fd)

    def remove_journal(self, place: Place) -> None:
        """Remove an emptied journal."""
        with self._step(FaultPoint.JOURNAL_REMOVED):
            os.rmdir(place[1], dir_fd=place[0])

    @contextmanager
    def _step(self, point: FaultPoint) -> Iterator[None]:
        self.faults.before(point)
        yield
        self.faults.after(point)

    def _write_new(self, place: Place, content: bytes) -> None:
        fd = os.open(place[1], _NEW_FILE_FLAGS, 0o600, dir_fd=place[0])
        try:
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
