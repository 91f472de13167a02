# SPDX-License-Identifier: Apache-2.0
"""After a flush the base of a path is what was accepted: the next review is relative to that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    ChangeSet,
    Entry,
    EntryKind,
    Tier,
    identify_change,
)
from bbox_server.domain.workspace import WorkspacePath

_KINDS: Final = {
    EntryKind.SPECIAL: ChangeKind.SPECIAL,
    EntryKind.SYMLINK: ChangeKind.SYMLINK,
    EntryKind.DIRECTORY: ChangeKind.DIRECTORY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushedBase:
    """A path's base since its last flush.

    Attributes:
        original: What the generation has, which the agent's overlay is relative to.
        accepted: What the agent's side was flushed as, without what the user had changed.
    """

    original: Entry | None
    accepted: Entry | None
    tier: Tier


def rebase(changes: ChangeSet, bases: Mapping[WorkspacePath, FlushedBase]) -> ChangeSet:
    """The changes relative to what was flushed; what was flushed wholly is no change any more."""
    if not bases:
        return changes
    touched = [change for change in changes.changes if _is_touched(change, bases)]
    rest = [change for change in changes.changes if not _is_touched(change, bases)]
    listed = _Listed(changes.changes)
    pairs: dict[WorkspacePath, Change] = {
        path: _unchanged(path, base)
        for path, base in bases.items()
        if not listed.speaks_for(path, base)
    }
    for change in touched:
        pairs |= {part.path: part for part in _parts(change)}
    moved = [_relative(part, bases.get(part.path)) for part in pairs.values()]
    found = [*rest, *(change for change in moved if change is not None)]
    ordered = sorted(found, key=lambda change: str(change.path).encode("utf-8", "surrogateescape"))
    return replace(changes, changes=tuple(ordered))


class _Listed:
    """What a list of changes says about paths that it does not name."""

    def __init__(self, changes: tuple[Change, ...]) -> None:
        self._bulks = {change.path for change in changes if change.kind is ChangeKind.BULK}
        there = [change.path for change in changes if change.agent is not None]
        self._directories = {up for path in there for up in (path, *path.parents)}

    def speaks_for(self, path: WorkspacePath, base: FlushedBase) -> bool:
        """Whether a path is in a bulk, or is a directory that has something in it."""
        accepted = base.accepted
        is_directory = accepted is not None and accepted.kind is EntryKind.DIRECTORY
        return (is_directory and path in self._directories) or not self._bulks.isdisjoint(
            path.parents
        )


def _is_touched(change: Change, bases: Mapping[WorkspacePath, FlushedBase]) -> bool:
    return change.path in bases or change.old_path in bases


def _unchanged(path: WorkspacePath, base: FlushedBase) -> Change:
    """What the overlay doesn't list is, for the agent, as it was in the generation."""
    return _change(path, base.original, base.original, base.tier)


def _parts(change: Change) -> Iterator[Change]:
    """A renamed file as the two paths that it touches; everything else as it is."""
    if change.old_path is None:
        yield change
        return
    yield replace(change, old_path=None, baseline=None)
    yield _change(change.old_path, change.baseline, None, change.tier)


def _relative(part: Change, base: FlushedBase | None) -> Change | None:
    baseline = part.baseline if base is None else base.accepted
    before = baseline.fingerprint if baseline else None
    after = part.agent.fingerprint if part.agent else None
    if before == after:
        return None
    return replace(
        part,
        id=identify_change(part.path, baseline, part.agent),
        kind=part.kind if part.kind is ChangeKind.BULK else kind_between(baseline, part.agent),
        baseline=baseline,
        mode_changed=_mode_changed(baseline, part.agent),
    )


def _change(path: WorkspacePath, baseline: Entry | None, agent: Entry | None, tier: Tier) -> Change:
    return Change(
        id=identify_change(path, baseline, agent),
        path=path,
        kind=kind_between(baseline, agent),
        tier=tier,
        baseline=baseline,
        agent=agent,
    )


def kind_between(baseline: Entry | None, agent: Entry | None) -> ChangeKind:
    """How a path differs."""
    if agent is None:
        return ChangeKind.DELETED
    if baseline is not None and baseline.kind is not agent.kind:
        return ChangeKind.TYPE_CHANGE
    if agent.kind is not EntryKind.FILE:
        return _KINDS[agent.kind]
    if baseline is None:
        return ChangeKind.ADDED
    return ChangeKind.MODE if baseline.digest == agent.digest else ChangeKind.MODIFIED


def _mode_changed(baseline: Entry | None, agent: Entry | None) -> bool:
    if baseline is None or agent is None:
        return False
    files = baseline.kind is EntryKind.FILE and agent.kind is EntryKind.FILE
    return files and baseline.executable is not agent.executable
