# SPDX-License-Identifier: Apache-2.0
"""The two sides of a change, and changes out of them."""

from typing import Final

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    Entry,
    EntryKind,
    Tier,
    WithheldReason,
    identify_change,
)
from bbox_server.domain.rebase import kind_between
from bbox_server.domain.workspace import Digest, WorkspacePath
from bbox_server.infra.workspace.tree import Row, is_directory, is_link
from bbox_server.infra.workspace.upper import UpperEntry, UpperKind

_PERMISSIONS: Final = 0o777
_KINDS: Final = {
    UpperKind.FILE: EntryKind.FILE,
    UpperKind.DIRECTORY: EntryKind.DIRECTORY,
    UpperKind.SYMLINK: EntryKind.SYMLINK,
    UpperKind.SPECIAL: EntryKind.SPECIAL,
    UpperKind.WHITEOUT: EntryKind.SPECIAL,
}
_TIERS: Final = {
    WithheldReason.GIT_INTERNAL: Tier.GIT_INTERNAL,
    WithheldReason.SECRET: Tier.SECRET,
}


def baseline_entry(row: Row, *, digest: Digest | None, link: str | None) -> Entry:
    """What the generation has."""
    kind = EntryKind.FILE
    if is_directory(row[1]):
        kind = EntryKind.DIRECTORY
    elif is_link(row[1]):
        kind = EntryKind.SYMLINK
    return Entry(
        kind=kind, mode=row[1] & _PERMISSIONS, size=row[2], digest=digest, link_target=link
    )


def agent_entry(entry: UpperEntry, *, digest: Digest | None) -> Entry:
    """What the agent's directory has."""
    return Entry(
        kind=_KINDS[entry.kind],
        mode=entry.mode,
        size=0 if entry.kind is UpperKind.DIRECTORY else entry.size,
        digest=digest,
        link_target=entry.link,
    )


def make_change(
    path: str, baseline: Entry | None, agent: Entry | None, tier: Tier
) -> Change | None:
    """The change of a path; None when both sides are the same."""
    before = baseline.fingerprint if baseline else None
    after = agent.fingerprint if agent else None
    if before == after:
        return None
    place = WorkspacePath(path)
    return Change(
        id=identify_change(place, baseline, agent),
        path=place,
        kind=kind_between(baseline, agent),
        tier=tier,
        baseline=baseline,
        agent=agent,
        mode_changed=_mode_changed(baseline, agent),
    )


def withheld_change(
    path: str,
    sides: tuple[Entry | None, Entry | None],
    reason: WithheldReason,
    *,
    count: int | None = None,
) -> Change:
    """A change that is listed and counted only; with a count it stands for a directory's."""
    place = WorkspacePath(path)
    baseline, agent = sides
    if count is None:
        kind = ChangeKind.SPECIAL if _is_special(agent) else kind_between(baseline, agent)
    else:
        kind = ChangeKind.DELETED if agent is None else ChangeKind.BULK
    return Change(
        id=identify_change(place, baseline, agent),
        path=place,
        kind=kind,
        tier=_TIERS.get(reason, Tier.ORDINARY),
        baseline=baseline,
        agent=agent,
        withheld=reason,
        bulk_count=count or 0,
    )


def _is_special(entry: Entry | None) -> bool:
    return entry is not None and entry.kind is EntryKind.SPECIAL


def _mode_changed(baseline: Entry | None, agent: Entry | None) -> bool:
    if baseline is None or agent is None:
        return False
    are_files = baseline.kind is EntryKind.FILE and agent.kind is EntryKind.FILE
    return are_files and baseline.executable is not agent.executable
