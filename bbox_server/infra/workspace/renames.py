# SPDX-License-Identifier: Apache-2.0
"""Renames: a file that is gone, and a new one with exactly its content."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from bbox_server.domain.change import Change, ChangeKind, EntryKind, Tier, identify_change
from bbox_server.domain.workspace import Digest

_STRICTNESS: Final = {tier: index for index, tier in enumerate(Tier)}


def with_renames(changes: Iterable[Change]) -> list[Change]:
    """The changes, with a deletion and an addition of the same content as one."""
    found = list(changes)
    gone: dict[Digest, list[Change]] = defaultdict(list)
    for change in found:
        if change.kind is ChangeKind.DELETED and _digest(change, agent=False) is not None:
            gone[_digest(change, agent=False) or Digest("")].append(change)
    if not gone:
        return found
    used: set[str] = set()
    renamed: list[Change] = []
    for change in found:
        old = _source(change, gone)
        if old is not None:
            gone[_digest(old, agent=False) or Digest("")].remove(old)
            used |= {old.id, change.id}
            renamed.append(_rename(old, change))
    return [*(change for change in found if change.id not in used), *renamed]


def _digest(change: Change, *, agent: bool) -> Digest | None:
    entry = change.agent if agent else change.baseline
    is_one = entry is not None and entry.kind is EntryKind.FILE and entry.size > 0
    return entry.digest if is_one and entry is not None and change.withheld is None else None


def _source(change: Change, gone: dict[Digest, list[Change]]) -> Change | None:
    digest = _digest(change, agent=True) if change.kind is ChangeKind.ADDED else None
    candidates = gone.get(digest, []) if digest is not None else []
    same_name = (old for old in candidates if old.path.name == change.path.name)
    return next(same_name, candidates[0] if candidates else None)


def _rename(old: Change, new: Change) -> Change:
    assert old.baseline is not None and new.agent is not None  # noqa: S101, PT018 - see _source
    return replace(
        new,
        id=identify_change(new.path, old.baseline, new.agent, old.path),
        kind=ChangeKind.RENAMED,
        tier=max(old.tier, new.tier, key=_STRICTNESS.__getitem__),
        baseline=old.baseline,
        old_path=old.path,
        mode_changed=old.baseline.executable is not new.agent.executable,
    )
