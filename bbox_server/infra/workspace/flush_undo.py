# SPDX-License-Identifier: Apache-2.0
"""The inverse of a flush: another flush, whose contents are what the first one replaced."""

import os
import stat
from dataclasses import dataclass, replace

from bbox_server.domain.flush import FlushKind, PathResult, ResultKind
from bbox_server.domain.plan import ABSENT, Operation, OperationKind, Present, PresentKind
from bbox_server.domain.planning import in_order
from bbox_server.infra.workspace.flush_journal import Journal
from bbox_server.infra.workspace.flush_record import Intent
from bbox_server.infra.workspace.flush_steps import Place
from bbox_server.infra.workspace.present import present_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Inverse:
    """What takes a flush back.

    Attributes:
        originals: Where the content of each operation that writes one is kept, by its index.
    """

    intent: Intent
    originals: dict[int, Place]


def invert(journal: Journal, intent: Intent, outcomes: dict[int, PathResult]) -> Inverse:
    """The inverse of everything that a finished flush applied."""
    kept: dict[Operation, Place] = {}
    inverted: list[Operation] = []
    for index, operation in enumerate(intent.operations):
        outcome = outcomes.get(index)
        if outcome is None or outcome.result is not ResultKind.APPLIED:
            continue
        inverse = _invert(operation, journal, index)
        inverted.append(inverse)
        if inverse.kind is OperationKind.WRITE:
            kept[inverse] = journal.old(index)
    operations = in_order(inverted)
    return Inverse(
        intent=Intent(kind=FlushKind.UNDO, operations=operations, undoes=journal.flush),
        originals={i: kept[o] for i, o in enumerate(operations) if o in kept},
    )


def _invert(operation: Operation, journal: Journal, index: int) -> Operation:
    bare = replace(operation, content=None, link_target=None, mode=None, needs=None, merged=False)
    match operation.kind:
        case OperationKind.MAKE_DIRECTORY:
            now = Present(kind=PresentKind.DIRECTORY)
            return replace(bare, kind=OperationKind.REMOVE_DIRECTORY, expected=now)
        case OperationKind.REMOVE_DIRECTORY:
            mode = operation.expected.mode
            return replace(bare, kind=OperationKind.MAKE_DIRECTORY, expected=ABSENT, mode=mode)
        case OperationKind.CHANGE_MODE:
            now = replace(operation.expected, mode=operation.mode or 0)
            return replace(bare, expected=now, mode=operation.expected.mode & 0o777)
        case OperationKind.WRITE | OperationKind.SYMLINK | OperationKind.DELETE:
            return _restore(bare, _written(operation), journal.old(index))


def _written(operation: Operation) -> Present:
    match operation.kind:
        case OperationKind.WRITE:
            return Present(kind=PresentKind.FILE, digest=operation.content)
        case OperationKind.SYMLINK:
            return Present(kind=PresentKind.SYMLINK, link_target=operation.link_target)
        case _:
            return ABSENT


def _restore(bare: Operation, expected: Present, old: Place) -> Operation:
    original = present_at(*old)
    operation = replace(bare, expected=expected)
    match original.kind:
        case PresentKind.FILE:
            status = os.stat(old[1], dir_fd=old[0], follow_symlinks=False)
            mode = stat.S_IMODE(status.st_mode) & 0o777
            return replace(operation, kind=OperationKind.WRITE, content=original.digest, mode=mode)
        case PresentKind.SYMLINK:
            target = original.link_target
            return replace(operation, kind=OperationKind.SYMLINK, link_target=target)
        case _:
            return replace(operation, kind=OperationKind.DELETE)
