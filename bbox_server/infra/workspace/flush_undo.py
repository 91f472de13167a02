# SPDX-License-Identifier: Apache-2.0
"""The inverse of a flush: another flush, whose contents are what the first one replaced."""

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
    if operation.kind is OperationKind.CHANGE_MODE:
        now = replace(operation.expected, mode=operation.mode or 0)
        return replace(bare, expected=now, mode=operation.expected.mode & 0o777)
    restored = replace(bare, expected=_written(operation))
    original = present_at(*journal.old(index))
    match original.kind:
        case PresentKind.FILE:
            return replace(restored, kind=OperationKind.WRITE, content=original.digest)
        case PresentKind.SYMLINK:
            target = original.link_target
            return replace(restored, kind=OperationKind.SYMLINK, link_target=target)
        case _ if operation.expected.kind is PresentKind.DIRECTORY:
            mode = operation.expected.mode
            return replace(restored, kind=OperationKind.MAKE_DIRECTORY, mode=mode)
        case _:
            is_directory = restored.expected.kind is PresentKind.DIRECTORY
            remove, delete = OperationKind.REMOVE_DIRECTORY, OperationKind.DELETE
            return replace(restored, kind=remove if is_directory else delete)


def _written(operation: Operation) -> Present:
    match operation.kind:
        case OperationKind.WRITE:
            return Present(kind=PresentKind.FILE, digest=operation.content)
        case OperationKind.SYMLINK:
            return Present(kind=PresentKind.SYMLINK, link_target=operation.link_target)
        case OperationKind.MAKE_DIRECTORY:
            return Present(kind=PresentKind.DIRECTORY)
        case _:
            return ABSENT
