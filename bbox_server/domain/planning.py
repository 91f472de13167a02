# SPDX-License-Identifier: Apache-2.0
"""Makes plans: the three-way decision for each path, and the order of the operations."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from bbox_server.domain.change import Entry, EntryKind
from bbox_server.domain.plan import (
    ABSENT,
    Conflict,
    ConflictReason,
    FlushPlan,
    MergeOutcome,
    Operation,
    OperationKind,
    Present,
    PresentKind,
    Skipped,
    SkipReason,
    Wanted,
    hash_plan,
)
from bbox_server.domain.three_way import (
    Outcome,
    are_all_files,
    bare,
    difference,
    is_same,
    only_mode,
    put,
    refusal,
)
from bbox_server.domain.workspace import WorkspacePath

_NEW_DIRECTORY_MODE: Final = 0o777
_ROOT: Final = Present(kind=PresentKind.DIRECTORY)
_GOING: Final = frozenset({OperationKind.DELETE, OperationKind.REMOVE_DIRECTORY})


def plan_flush(
    wanted: Sequence[Wanted],
    present: Mapping[WorkspacePath, Present],
    merged: Mapping[WorkspacePath, MergeOutcome],
    unsaved: AbstractSet[WorkspacePath] = frozenset(),
) -> FlushPlan:
    """The operations that bring the wanted paths about, with all that can't be done.

    Args:
        wanted: At most one for each path.
        present: Of every path in `paths_to_observe`.
        merged: Of every path in `merges_needed`.
        unsaved: Paths whose newest text is in an editor only: nothing is written there.
    """
    planning = _Planning(present=present, merged=merged, unsaved=unsaved)
    # What happens to a directory that goes depends on what happens to everything in it.
    going = [item for item in wanted if _directory_goes(item)]
    staying = [item for item in wanted if not _directory_goes(item)]
    for item in sorted(staying, key=lambda item: item.path.parts):
        planning.add(item)
    for item in sorted(going, key=lambda item: item.path.parts, reverse=True):
        planning.add(item)
    planning.drop_half_renames(wanted)
    planning.add_parents()
    return planning.result(wanted)


def _directory_goes(item: Wanted) -> bool:
    was_directory = item.base is not None and item.base.kind is EntryKind.DIRECTORY
    return was_directory and (item.result is None or item.result.kind is not EntryKind.DIRECTORY)


@dataclass(kw_only=True)
class _Planning:
    present: Mapping[WorkspacePath, Present]
    merged: Mapping[WorkspacePath, MergeOutcome]
    unsaved: AbstractSet[WorkspacePath]
    operations: list[Operation] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    going: set[WorkspacePath] = field(default_factory=set)
    directories: set[WorkspacePath] = field(default_factory=set)

    def add(self, item: Wanted) -> None:
        match outcome := self._outcome(item):
            case ConflictReason():
                tried = self.merged.get(item.path, MergeOutcome(digest=None))
                self.conflicts.append(
                    Conflict(
                        change=item.change,
                        path=item.path,
                        reason=outcome,
                        merges=tried.conflicts,
                    )
                )
            case SkipReason():
                self.skipped.append(Skipped(change=item.change, path=item.path, reason=outcome))
            case _:
                self._take(outcome)

    def drop_half_renames(self, wanted: Sequence[Wanted]) -> None:
        """A renamed file is at both names or at none: a conflict at one ends it for both."""
        renames = {item.change for item in wanted if item.needs is not None}
        there = SkipReason.ALREADY_THERE
        broken = {conflict.change for conflict in self.conflicts}
        broken |= {skipped.change for skipped in self.skipped if skipped.reason is not there}
        broken &= renames
        self.operations = [o for o in self.operations if o.change not in broken]

    def add_parents(self) -> None:
        """Directories that are not there yet and that no change makes."""
        for operation in [o for o in self.operations if o.kind not in _GOING]:
            for up in reversed(operation.path.parents):
                now = self.present.get(up, _ROOT)
                if now.kind is PresentKind.ABSENT and up not in self.directories:
                    make = Operation(
                        change=operation.change,
                        path=up,
                        kind=OperationKind.MAKE_DIRECTORY,
                        expected=ABSENT,
                        mode=_NEW_DIRECTORY_MODE,
                    )
                    self._take((make,))

    def result(self, wanted: Sequence[Wanted]) -> FlushPlan:
        ordered = in_order(self.operations)
        made = {o.path: index for index, o in enumerate(ordered) if o.kind not in _GOING}
        needs = {item.path: made.get(item.needs) for item in wanted if item.needs is not None}
        return hash_plan(
            FlushPlan(
                operations=tuple(replace(o, needs=needs.get(o.path)) for o in ordered),
                conflicts=tuple(self.conflicts),
                skipped=tuple(self.skipped),
            )
        )

    def _take(self, operations: tuple[Operation, ...]) -> None:
        self.operations += operations
        self.going |= {o.path for o in operations if o.kind in _GOING}
        make = OperationKind.MAKE_DIRECTORY
        self.directories |= {o.path for o in operations if o.kind is make}

    def _outcome(self, item: Wanted) -> Outcome:
        outcome = self._on_disk(item)
        is_done = isinstance(outcome, tuple) and bool(outcome)
        return ConflictReason.UNSAVED if is_done and item.path in self.unsaved else outcome

    def _on_disk(self, item: Wanted) -> Outcome:
        now = self.present[item.path]
        refused = refusal(item, now) or self._blocked_by_parent(item)
        if refused is not None:
            return refused
        if item.result is None:
            return self._removal(item, now)
        if is_same(item.result, now):
            return only_mode(item, item.result, now)
        if item.resolves is not None and now.digest == item.resolves:
            return (put(item, item.result, now),)
        if are_all_files(item, now):
            return self._content(item, item.result, now)
        return self._replacement(item, item.result, now)

    def _blocked_by_parent(self, item: Wanted) -> ConflictReason | SkipReason | None:
        through = {PresentKind.DIRECTORY, PresentKind.ABSENT}
        for up in reversed(item.path.parents):
            now = self.present.get(up, _ROOT)
            if now.kind in through:
                continue
            if item.result is None:
                return SkipReason.ALREADY_THERE
            if up in self.directories:
                return None
            is_link = now.kind is PresentKind.SYMLINK
            return (
                ConflictReason.PARENT_IS_LINK if is_link else ConflictReason.PARENT_IS_NO_DIRECTORY
            )
        return None

    def _removal(self, item: Wanted, now: Present) -> Outcome:
        if now.kind is PresentKind.ABSENT or item.base is None:
            return SkipReason.ALREADY_THERE
        if not is_same(item.base, now):
            return ConflictReason.CHANGED_HERE
        if now.kind is not PresentKind.DIRECTORY:
            return (bare(item, OperationKind.DELETE, now),)
        if not self._is_emptied(item.path, now):
            return SkipReason.NOT_EMPTY
        return (bare(item, OperationKind.REMOVE_DIRECTORY, now),)

    def _is_emptied(self, path: WorkspacePath, now: Present) -> bool:
        return all(path / name in self.going for name in now.names or ())

    def _content(self, item: Wanted, result: Entry, now: Present) -> Outcome:
        if item.base is not None and now.digest == item.base.digest:
            return (put(item, result, now),)
        if item.base is not None and item.base.digest == result.digest:
            return only_mode(item, result, now)
        outcome = self.merged[item.path]
        if outcome.digest is None:
            return ConflictReason.CHANGED_BOTH
        if outcome.digest == now.digest:
            return only_mode(item, result, now)
        return (replace(put(item, result, now), content=outcome.digest, merged=True),)

    def _replacement(self, item: Wanted, result: Entry, now: Present) -> Outcome:
        if now.kind is PresentKind.ABSENT:
            is_gone = item.base is not None and item.base.kind is result.kind
            return ConflictReason.DELETED_HERE if is_gone else (put(item, result, now),)
        differs = difference(item.base, now)
        if differs is not None:
            return differs
        if now.kind is PresentKind.DIRECTORY and not self._is_emptied(item.path, now):
            return ConflictReason.NOT_EMPTY
        return (put(item, result, now),)


def in_order(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations so that each finds what it needs."""
    return tuple(sorted(operations, key=_order))


def _order(operation: Operation) -> tuple[int, int, tuple[str, ...]]:
    """New things, then what goes, then what takes the place of a directory that is empty by then.

    Directories are made from the top and removed from the bottom.
    """
    parts = operation.path.parts
    match operation.kind:
        case OperationKind.MAKE_DIRECTORY:
            return (0, len(parts), parts)
        case OperationKind.DELETE:
            return (2, 0, parts)
        case OperationKind.REMOVE_DIRECTORY:
            return (3, -len(parts), parts)
        case OperationKind.WRITE | OperationKind.SYMLINK | OperationKind.CHANGE_MODE:
            replaces_directory = operation.expected.kind is PresentKind.DIRECTORY
            return (3, -len(parts), parts) if replaces_directory else (1, 0, parts)
