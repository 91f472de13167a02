# SPDX-License-Identifier: Apache-2.0
"""Applying: one operation after the other, each verified at the moment it happens.

Every function may be called again after a crash at any step: where things are says how far it
came. What is not ours is never deleted; it is put back, or kept in the journal.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.flush import FlushKind, PathResult, ResultKind
from bbox_server.domain.plan import Operation, OperationKind, Present, PresentKind
from bbox_server.infra.workspace.beneath import (
    DIRECTORY_FLAGS,
    components,
    digest_of_descriptor,
    open_file,
    parent_of,
)
from bbox_server.infra.workspace.flush_journal import Journal
from bbox_server.infra.workspace.flush_originals import take_out
from bbox_server.infra.workspace.flush_record import Commit, Intent, result_of
from bbox_server.infra.workspace.flush_staging import (
    directory_mode,
    dress_new_directory,
    is_staged,
    remove_stage,
)
from bbox_server.infra.workspace.flush_steps import Place
from bbox_server.infra.workspace.present import is_as_expected, present_at

_CHANGED: Final = "it changed after the plan was made"


class _ChangedError(Exception):
    """The workspace is not what the operation expects."""


@dataclass(kw_only=True)
class Applying:
    """Applies a committed flush, or goes on with one."""

    root_fd: int
    journal: Journal
    intent: Intent
    commit: Commit
    _results: dict[int, PathResult] = field(default_factory=dict)
    _file_systems: dict[int, int] = field(default_factory=dict)

    def apply(self) -> tuple[PathResult, ...]:
        """Bring every operation to its end. Repeatable."""
        self._results = self.journal.outcomes(self.intent)
        for index, operation in enumerate(self.intent.operations):
            if index not in self._results:
                self._results[index] = self._run(index, operation)
            self._drop_stage(index, operation)
        self._sync()
        self.journal.write_done()
        return tuple(result for _, result in sorted(self._results.items()))

    def _sync(self) -> None:
        for fd in self._file_systems.values():
            self.journal.steps.sync_applied(fd)
            os.close(fd)
        self._file_systems.clear()

    def _run(self, index: int, operation: Operation) -> PathResult:
        try:
            result = self._outcome(index, operation)
        except (_ChangedError, FileExistsError):
            result = result_of(operation, ResultKind.CHANGED_MEANWHILE, _CHANGED)
        except OSError as error:
            result = result_of(operation, ResultKind.FAILED, _explained(error))
        self.journal.log(index, result)
        return result

    def _outcome(self, index: int, operation: Operation) -> PathResult:
        needed = None if operation.needs is None else self._results.get(operation.needs)
        if needed is not None and needed.result is not ResultKind.APPLIED:
            return result_of(operation, ResultKind.FAILED, f"{needed.path} was not applied")
        if index in self.commit.failed:
            return result_of(operation, ResultKind.FAILED, self.commit.failed[index])
        with parent_of(self.root_fd, operation.path) as target:
            self._touch(target[0])
            if operation.kind is OperationKind.REMOVE_DIRECTORY:
                return self._remove_directory(operation, target)
            self._do(index, operation, target)
        return result_of(operation, ResultKind.APPLIED)

    def _do(self, index: int, operation: Operation, target: Place) -> None:
        if is_staged(operation):
            self._put(index, operation, target)
        elif operation.kind is OperationKind.DELETE:
            self._delete(index, operation, target)
        elif operation.kind is OperationKind.CHANGE_MODE:
            self._change_mode(operation, target)
        else:
            self._make_directory(operation, target)

    def _touch(self, directory_fd: int) -> None:
        device = os.fstat(directory_fd).st_dev
        if device not in self._file_systems:
            self._file_systems[device] = os.dup(directory_fd)

    def _put(self, index: int, operation: Operation, target: Place) -> None:
        with self._stage_directory(index, operation) as stage_fd:
            temporary = (stage_fd, self.journal.temporary(index))
            inode = _inode(temporary)
            if inode is None:
                return  # applied before a crash
            is_staged_still = inode == self._staged_inode(index)
            if is_staged_still and not self._exchange(operation, temporary, target):
                return
            if not is_as_expected(operation.expected, present_at(*temporary)):
                self._exchange_back(index, temporary, target)
                raise _ChangedError
            try:
                take_out(self.journal.steps, temporary, self.journal.old(index))
            except OSError:
                self._exchange_back(index, temporary, target)
                raise

    def _exchange(self, operation: Operation, temporary: Place, target: Place) -> bool:
        """Put what is staged in its place; whether something came out."""
        steps, was_directory = self.journal.steps, operation.expected.kind is PresentKind.DIRECTORY
        if operation.expected.kind is PresentKind.ABSENT:
            steps.create(temporary, target)
            return False
        if was_directory and _inode(target) is None:
            steps.create(temporary, target)  # a crash came between the two steps below
            return False
        _check(operation.expected, target)
        try:
            steps.exchange(temporary, target)
        except OSError as error:
            # overlayfs can't move a directory of a lower layer.
            if error.errno != errno.EXDEV or not was_directory:
                raise
            steps.remove_directory(target)
            steps.create(temporary, target)
            return False
        return True

    def _exchange_back(self, index: int, temporary: Place, target: Place) -> None:
        """Undo an exchange. If the user replaced ours meanwhile, that is the newest and stays."""
        self.journal.steps.exchange_back(temporary, target)
        if _inode(temporary) != self._staged_inode(index):
            self.journal.steps.exchange_back(temporary, target)
            self._keep_other(index, temporary)

    def _delete(self, index: int, operation: Operation, target: Place) -> None:
        steps = self.journal.steps
        temporary = (target[0], self.journal.temporary(index))
        if _inode(temporary) is None:
            if self.journal.has(self.journal.old(index)[1]) or _inode(target) is None:
                return
            _check(operation.expected, target)
            steps.move_aside(target, temporary)
        if not is_as_expected(operation.expected, present_at(*temporary)):
            self._move_back(index, temporary, target)
            raise _ChangedError
        try:
            take_out(self.journal.steps, temporary, self.journal.old(index))
        except OSError:
            self._move_back(index, temporary, target)
            raise

    def _move_back(self, index: int, temporary: Place, target: Place) -> None:
        try:
            self.journal.steps.move_back(temporary, target)
        except FileExistsError:
            self._keep_other(index, temporary)

    def _make_directory(self, operation: Operation, target: Place) -> None:
        try:
            self.journal.steps.make_directory(target, directory_mode(operation))
        except FileExistsError:
            if present_at(*target).kind is not PresentKind.DIRECTORY:
                raise
        is_undo = self.intent.kind is FlushKind.UNDO
        dress_new_directory(self.journal.steps, target, operation.mode if is_undo else None)

    def _remove_directory(self, operation: Operation, target: Place) -> PathResult:
        try:
            self.journal.steps.remove_directory(target)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            return result_of(operation, ResultKind.NOT_EMPTY, "other files are in it")
        return result_of(operation, ResultKind.APPLIED)

    def _change_mode(self, operation: Operation, target: Place) -> None:
        wanted = 0 if operation.mode is None else operation.mode & 0o777
        fd = open_file(*target)
        try:
            now = stat.S_IMODE(os.fstat(fd).st_mode)
            if now == wanted:
                return  # applied before a crash
            if now & 0o777 != operation.expected.mode & 0o777:
                raise _ChangedError
            self.journal.steps.change_mode(fd, wanted)
        finally:
            os.close(fd)

    def _keep_other(self, index: int, temporary: Place) -> None:
        with suppress(FileExistsError):
            take_out(self.journal.steps, temporary, self.journal.other(index))

    def _drop_stage(self, index: int, operation: Operation) -> None:
        """Remove what an operation staged and did not use; keep what is not ours."""
        if index not in self.commit.staged:
            return
        with suppress(OSError), self._stage_directory(index, operation) as stage_fd:
            temporary = (stage_fd, self.journal.temporary(index))
            if _inode(temporary) is None:
                return
            if self._is_our_stage(index, operation, temporary):
                remove_stage(self.journal.steps, temporary)
            else:
                self._keep_other(index, temporary)

    def _is_our_stage(self, index: int, operation: Operation, temporary: Place) -> bool:
        if _inode(temporary) != self._staged_inode(index):
            return False
        if operation.kind is not OperationKind.WRITE:
            return True
        fd = open_file(*temporary)
        try:
            return digest_of_descriptor(fd) == operation.content
        finally:
            os.close(fd)

    def _staged_inode(self, index: int) -> tuple[int, int]:
        staged = self.commit.staged[index]
        return staged.device, staged.inode

    @contextmanager
    def _stage_directory(self, index: int, operation: Operation) -> Iterator[int]:
        current = os.dup(self.root_fd)
        try:
            for part in components(operation.path)[: self.commit.staged[index].depth]:
                following = os.open(part, DIRECTORY_FLAGS, dir_fd=current)
                os.close(current)
                current = following
            yield current
        finally:
            os.close(current)


def _explained(error: OSError) -> str:
    if error.errno == errno.EINVAL:
        return "this file system can't exchange files (renameat2)"
    return error.strerror or str(error)


def _inode(place: Place) -> tuple[int, int] | None:
    try:
        status = os.stat(place[1], dir_fd=place[0], follow_symlinks=False)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _check(expected: Present, place: Place) -> None:
    if not is_as_expected(expected, present_at(*place)):
        raise _ChangedError
