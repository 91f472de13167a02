# SPDX-License-Identifier: Apache-2.0
"""One path of a plan: what it was, what it shall be, what it is now."""

from dataclasses import replace
from typing import Final

from bbox_server.domain.change import Entry, EntryKind
from bbox_server.domain.plan import (
    ConflictReason,
    Operation,
    OperationKind,
    Present,
    PresentKind,
    SkipReason,
    Wanted,
    is_reserved,
    leaves_workspace,
)

_KIND_OF: Final = {
    EntryKind.FILE: PresentKind.FILE,
    EntryKind.DIRECTORY: PresentKind.DIRECTORY,
    EntryKind.SYMLINK: PresentKind.SYMLINK,
    EntryKind.SPECIAL: PresentKind.SPECIAL,
}

Outcome = tuple[Operation, ...] | ConflictReason | SkipReason
"""What is done to a path, or why nothing is."""


def is_same(entry: Entry, now: Present) -> bool:
    """Whether the workspace has that kind of thing with that content; modes don't count."""
    return (
        _KIND_OF[entry.kind] is now.kind
        and entry.digest == now.digest
        and entry.link_target == now.link_target
    )


def difference(base: Entry | None, now: Present) -> ConflictReason | None:
    """Why another type of thing can't take a path's place; None where it can."""
    if base is None:
        return ConflictReason.ADDED_BOTH
    if is_same(base, now):
        return None
    is_type = _KIND_OF[base.kind] is now.kind
    return ConflictReason.CHANGED_HERE if is_type else ConflictReason.TYPE_DIFFERS


def refusal(item: Wanted, now: Present) -> ConflictReason | SkipReason | None:
    """Why a path is not touched, whatever it was."""
    if is_reserved(item.path):
        return SkipReason.RESERVED_NAME
    if now.kind is PresentKind.UNREADABLE:
        return ConflictReason.UNREADABLE
    result = item.result
    if result is None:
        return None
    if result.kind is EntryKind.SPECIAL:
        return SkipReason.SPECIAL_FILE
    leads_out = result.kind is EntryKind.SYMLINK and leaves_workspace(
        item.path, result.link_target or ""
    )
    return SkipReason.LINK_LEAVES_WORKSPACE if leads_out else None


def are_all_files(item: Wanted, now: Present) -> bool:
    """Whether contents can be compared, and merged."""
    return (
        now.kind is PresentKind.FILE
        and item.base is not None
        and item.base.kind is EntryKind.FILE
        and item.result is not None
        and item.result.kind is EntryKind.FILE
    )


def only_mode(item: Wanted, result: Entry, now: Present) -> Outcome:
    """What a path needs whose content is right."""
    mode = _mode(item, result, now)
    if mode is None or mode == now.mode:
        return SkipReason.ALREADY_THERE
    return (replace(bare(item, OperationKind.CHANGE_MODE, now), mode=mode),)


def _mode(item: Wanted, result: Entry, now: Present) -> int | None:
    """The user's mode with the executable bit as the agent changed it; None where it didn't."""
    if result.kind is not EntryKind.FILE or now.kind is not PresentKind.FILE:
        return None
    was_executable = item.base.executable if item.base is not None else now.executable
    if result.executable is was_executable:
        return None
    plain = now.mode & 0o777
    return plain | (plain & 0o444) >> 2 if result.executable else plain & ~0o111


def put(item: Wanted, result: Entry, now: Present) -> Operation:
    """The operation that puts a result where `now` is; one exchange where that is something."""
    match result.kind:
        case EntryKind.FILE:
            is_new = now.kind is not PresentKind.FILE
            mode = result.mode & 0o777 if is_new else _mode(item, result, now)
            write = bare(item, OperationKind.WRITE, now)
            return replace(write, content=result.digest, mode=mode)
        case EntryKind.SYMLINK:
            link = bare(item, OperationKind.SYMLINK, now)
            return replace(link, link_target=result.link_target)
        case EntryKind.DIRECTORY:
            make = bare(item, OperationKind.MAKE_DIRECTORY, now)
            return replace(make, mode=result.mode & 0o777)
        case EntryKind.SPECIAL:
            msg = "a special file is never put anywhere"
            raise AssertionError(msg)


def bare(item: Wanted, kind: OperationKind, now: Present) -> Operation:
    """An operation of a kind, which expects what is there now."""
    # Names of a directory's entries don't belong to what is expected: others may come and go.
    expected = replace(now, names=None)
    return Operation(change=item.change, path=item.path, kind=kind, expected=expected)
