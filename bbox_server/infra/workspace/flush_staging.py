# SPDX-License-Identifier: Apache-2.0
"""Staging: what a flush writes is complete, and on the disk, before anything is replaced."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

from bbox_server.domain.plan import Operation, OperationKind, PresentKind
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS, open_file, parent_of
from bbox_server.infra.workspace.flush_journal import Journal
from bbox_server.infra.workspace.flush_record import Commit, Staged
from bbox_server.infra.workspace.flush_steps import Place, Steps
from bbox_server.infra.workspace.metadata import (
    PERMISSIONS,
    Metadata,
    current_umask,
    metadata_of,
    owner_of_new,
)
from bbox_server.infra.workspace.present import existing_parent

_CHUNK_BYTES: Final = 4 << 20


def is_staged(operation: Operation) -> bool:
    """Whether an operation is prepared beside its target.

    A directory is, where it takes the place of something else, so that one exchange does it.
    """
    if operation.kind is OperationKind.MAKE_DIRECTORY:
        return operation.expected.kind is not PresentKind.ABSENT
    return operation.kind in {OperationKind.WRITE, OperationKind.SYMLINK}


def directory_mode(operation: Operation) -> int:
    """The mode of a new directory, before the umask; its owner can always use it."""
    return 0o777 if operation.mode is None else (operation.mode & PERMISSIONS) | 0o700


def dress_new_directory(steps: Steps, place: Place, exact_mode: int | None) -> None:
    """Give a directory of ours its mode, and as root to the owner of the one that it is in."""
    owner = owner_of_new(place[0])
    if owner is None and exact_mode is None:
        return
    fd = os.open(place[1], DIRECTORY_FLAGS, dir_fd=place[0])
    try:
        if os.fstat(fd).st_uid == os.geteuid():
            steps.dress_directory(fd, Metadata(owner=owner, mode=exact_mode))
    finally:
        os.close(fd)


def chunks_of(fd: int) -> Iterator[bytes]:
    """A file's content from the descriptor's position on, in bounded memory."""
    while chunk := os.read(fd, _CHUNK_BYTES):
        yield chunk


def remove_stage(steps: Steps, place: Place) -> None:
    """Remove something staged, whatever it is."""
    try:
        steps.remove_leftover(place)
    except IsADirectoryError:
        steps.remove_leftover_directory(place)


@dataclass(kw_only=True)
class Staging:
    """Stages one flush's files beside their targets.

    Attributes:
        root_fd: The workspace's.
    """

    root_fd: int
    journal: Journal
    umask: int = field(default_factory=current_umask)
    _staged: dict[int, Staged] = field(default_factory=dict)
    _failed: dict[int, str] = field(default_factory=dict)
    _file_systems: dict[int, int] = field(default_factory=dict)

    def stage(
        self, index: int, operation: Operation, content: bytes, exact_mode: int | None = None
    ) -> None:
        """Stage a file with a content, a link or a directory.

        A failure is kept as the operation's own. A directory has the exact mode, where there is
        one, and else the operation's under the umask.
        """
        with self._beside(index, operation) as directory_fd:
            part = (directory_fd, self.journal.part(index))
            match operation.kind:
                case OperationKind.SYMLINK:
                    owner = owner_of_new(directory_fd)
                    self.journal.steps.stage_link(part, operation.link_target or "", owner)
                case OperationKind.MAKE_DIRECTORY:
                    self.journal.steps.stage_directory(part, directory_mode(operation))
                    dress_new_directory(self.journal.steps, part, exact_mode)
                case _:
                    metadata = self._metadata(operation, directory_fd)
                    chunks = (
                        content[start : start + _CHUNK_BYTES]
                        for start in range(0, len(content), _CHUNK_BYTES)
                    )
                    self._write_part(index, directory_fd, chunks, metadata)

    def stage_original(self, index: int, operation: Operation, kept: Place) -> None:
        """Stage what an earlier flush took out, with all that it had beside its content."""
        with self._beside(index, operation) as directory_fd:
            fd = open_file(*kept)
            try:
                self._write_part(index, directory_fd, chunks_of(fd), metadata_of(fd))
            finally:
                os.close(fd)

    def fail(self, index: int, detail: str) -> None:
        """Leave an operation out, and say why."""
        self._failed[index] = detail

    def commit(self) -> Commit:
        """Bring everything staged to the disk. From the record of it on, nothing goes back."""
        for fd in self._file_systems.values():
            self.journal.steps.sync_stages(fd)
        return Commit(staged=self._staged, failed=self._failed)

    def close(self) -> None:
        """Close what was held open."""
        for fd in self._file_systems.values():
            os.close(fd)
        self._file_systems.clear()

    @contextmanager
    def _beside(self, index: int, operation: Operation) -> Iterator[int]:
        """The directory to stage an operation in; what was made there counts on leaving."""
        try:
            directory_fd, depth = existing_parent(self.root_fd, operation.path)
        except OSError as error:
            self.fail(index, error.strerror or str(error))
            return
        try:
            yield directory_fd
            self._finish(index, depth, directory_fd)
        except OSError as error:
            self.fail(index, error.strerror or str(error))
            self._clear(index, directory_fd)
        finally:
            os.close(directory_fd)

    def _clear(self, index: int, directory_fd: int) -> None:
        for name in (self.journal.part(index), self.journal.temporary(index)):
            with suppress(OSError):
                remove_stage(self.journal.steps, (directory_fd, name))

    def _write_part(
        self, index: int, directory_fd: int, chunks: Iterable[bytes], metadata: Metadata
    ) -> None:
        steps = self.journal.steps
        fd = steps.make_part((directory_fd, self.journal.part(index)))
        try:
            for chunk in chunks:
                steps.write_part(fd, chunk)
            steps.dress_part(fd, metadata)
        finally:
            os.close(fd)

    def _finish(self, index: int, depth: int, directory_fd: int) -> None:
        temporary = self.journal.temporary(index)
        self.journal.steps.stage(
            (directory_fd, self.journal.part(index)), (directory_fd, temporary)
        )
        status = os.stat(temporary, dir_fd=directory_fd, follow_symlinks=False)
        self._staged[index] = Staged(depth=depth, device=status.st_dev, inode=status.st_ino)
        if status.st_dev not in self._file_systems:
            self._file_systems[status.st_dev] = os.dup(directory_fd)

    def _metadata(self, operation: Operation, directory_fd: int) -> Metadata:
        if operation.expected.kind is not PresentKind.FILE:
            mode = (0o666 if operation.mode is None else operation.mode) & ~self.umask
            return Metadata(owner=owner_of_new(directory_fd), mode=mode | 0o600)
        with parent_of(self.root_fd, operation.path) as (parent_fd, name):
            fd = open_file(parent_fd, name)
            try:
                kept = replace(metadata_of(fd), times_ns=None)
            finally:
                os.close(fd)
        return kept if operation.mode is None else replace(kept, mode=operation.mode)
