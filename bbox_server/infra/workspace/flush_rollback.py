# SPDX-License-Identifier: Apache-2.0
"""Rolling back: a flush that was not committed leaves nothing in the workspace."""

import os
from contextlib import suppress

from bbox_server.domain.flush import PathResult, ResultKind
from bbox_server.domain.plan import Operation
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS, components
from bbox_server.infra.workspace.flush_journal import Journal
from bbox_server.infra.workspace.flush_record import Intent, result_of
from bbox_server.infra.workspace.flush_staging import is_staged, remove_stage


def roll_back(root_fd: int, journal: Journal, intent: Intent) -> tuple[PathResult, ...]:
    """Remove everything staged. Nothing of the user's was touched yet. Repeatable."""
    for index, operation in enumerate(intent.operations):
        if is_staged(operation):
            _remove_staged(root_fd, journal, index, operation)
    detail = "it was interrupted before anything was changed"
    return tuple(result_of(o, ResultKind.ROLLED_BACK, detail) for o in intent.operations)


def _remove_staged(root_fd: int, journal: Journal, index: int, operation: Operation) -> None:
    # It is in the deepest directory that there was at the time: look in every one on the way.
    current = os.dup(root_fd)
    try:
        _remove_in(current, journal, index)
        for part in components(operation.path)[:-1]:
            try:
                following = os.open(part, DIRECTORY_FLAGS, dir_fd=current)
            except OSError:
                return
            os.close(current)
            current = following
            _remove_in(current, journal, index)
    finally:
        os.close(current)


def _remove_in(directory_fd: int, journal: Journal, index: int) -> None:
    for name in (journal.part(index), journal.temporary(index)):
        with suppress(FileNotFoundError):
            remove_stage(journal.steps, (directory_fd, name))
