# SPDX-License-Identifier: Apache-2.0
"""Changes out of differences: sorted into tiers, hashed, bulky and withheld ones as one each."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    Entry,
    EntryKind,
    Tier,
    WithheldReason,
    identify_change,
)
from bbox_server.domain.plan import leaves_workspace
from bbox_server.domain.workspace import WorkspacePath
from bbox_server.infra.workspace.beneath import digest_of
from bbox_server.infra.workspace.deltas import Delta, find_deltas
from bbox_server.infra.workspace.entries import (
    agent_entry,
    baseline_entry,
    make_change,
    withheld_change,
)
from bbox_server.infra.workspace.hashing import Hashes, is_settled
from bbox_server.infra.workspace.limits import ChangeLimits
from bbox_server.infra.workspace.renames import with_renames
from bbox_server.infra.workspace.tree import Row, Tree, is_directory, is_file
from bbox_server.infra.workspace.upper import Upper, UpperEntry, UpperKind
from bbox_server.infra.workspace.withholding import Withheld, Withholding


@dataclass(slots=True)
class Listing:
    """Lists the changes of one walk.

    Attributes:
        classify: The tier of a path that is not withheld.
        known: Changes of earlier walks, with the differences that they are of.
        within: Only what is in this directory; the whole workspace when it is empty.
    """

    baseline: Tree
    upper: Upper
    withholding: Withholding
    hashes: Hashes
    classify: Callable[[str], Tier]
    limits: ChangeLimits
    known: dict[str, tuple[Delta, Change | None]]
    within: str = ""
    _found: list[Change] = field(default_factory=list)
    _groups: Counter[Withheld] = field(default_factory=Counter)
    _hashed_bytes: int = 0

    def run(self) -> tuple[Change, ...]:
        """All changes, sorted by the bytes of their paths.

        Raises:
            OSError: The generation is damaged.
        """
        shown = {path: delta for path, delta in self._deltas().items() if self._shows(path, delta)}
        self._add_groups()
        for path in self._without_bulks(self._without_implied(shown)):
            self._add(path, shown[path])
        return tuple(sorted(with_renames(self._found), key=_path_bytes))

    def _deltas(self) -> dict[str, Delta]:
        deltas = find_deltas(self.baseline, self.upper)
        if not self.within:
            return deltas
        inside = f"{self.within}/"
        return {path: delta for path, delta in deltas.items() if path.startswith(inside)}

    def _shows(self, path: str, delta: Delta) -> bool:
        """Whether a difference may be flushed; what may not is noted."""
        is_inner = _is_directory(delta)
        if (is_inner and path in self.upper.cut) or self._is_same_link(path, delta):
            return False
        withheld = self.withholding.of(path, is_inner=is_inner)
        if withheld is not None and (withheld.top != path or is_inner):
            self._groups[withheld] += not is_inner
            return False
        reason = _own_reason(path, delta, self.limits) if withheld is None else withheld.reason
        if reason is not None:
            self._found.append(withheld_change(path, self._unhashed(path, delta), reason))
        return reason is None

    def _is_same_link(self, path: str, delta: Delta) -> bool:
        link = delta.after.link if delta.after is not None else None
        return link is not None and self.baseline.links.get(path) == link

    def _add_groups(self) -> None:
        for path, count in self.upper.counts.items():
            withheld = self.withholding.of(path, is_inner=True)
            if withheld is not None:  # else its directory is a repository since it was counted
                self._groups[withheld] += count
        for path in self.upper.cut - self.upper.counts.keys():
            if self.withholding.of(path, is_inner=True) is None:
                self._groups[Withheld(WithheldReason.TOO_LARGE, path)] += 0
        for withheld, count in self._groups.items():
            if count or withheld.reason is WithheldReason.TOO_LARGE:
                sides = self._group_sides(withheld.top, count)
                self._found.append(
                    withheld_change(withheld.top or ".", sides, withheld.reason, count=count)
                )

    def _group_sides(self, path: str, count: int) -> tuple[Entry | None, Entry | None]:
        row = self.baseline.find(path)
        before = self._before(path, row, is_hashed=False) if row is not None else None
        entry = self.upper.entries.get(path)
        if path and (entry is None or entry.kind is UpperKind.WHITEOUT):
            return before, None
        mode = entry.mode if entry is not None else 0o755
        counted = digest_of(str(count).encode())
        return before, Entry(kind=EntryKind.DIRECTORY, mode=mode, size=0, digest=counted)

    def _without_implied(self, shown: dict[str, Delta]) -> dict[str, Delta]:
        """A new directory is only a change of its own when there is nothing in it."""
        occupied = {
            path.rpartition("/")[0]
            for path, entry in self.upper.entries.items()
            if entry.kind is not UpperKind.WHITEOUT
        }
        return {
            path: delta
            for path, delta in shown.items()
            if delta.before is not None or path not in occupied or not _is_directory(delta)
        }

    def _without_bulks(self, listed: dict[str, Delta]) -> list[str]:
        """The paths to list one by one; very full new directories become one change each."""
        tops = self._new_directories()
        top_of = {path: tops.get(path.rpartition("/")[0]) for path in listed}
        sizes = Counter(top for top in top_of.values() if top is not None)
        members: dict[str | None, list[str]] = {
            top: [] for top, count in sizes.items() if count > self.limits.bulk_files
        }
        alone: list[str] = []
        for path, top in top_of.items():
            if top in members and self.classify(path) is Tier.ORDINARY:
                members[top].append(path)
            else:
                alone.append(path)
        for top, paths in members.items():
            if top is not None and paths:
                self._found.append(self._bulk(top, paths))
        return alone

    def _new_directories(self) -> dict[str, str]:
        """Every directory that the baseline doesn't have, with the outermost such one around it."""
        tops: dict[str, str] = {}
        for path, entry in self.upper.entries.items():
            if entry.kind is UpperKind.DIRECTORY and self.baseline.row(path) is None:
                tops[path] = tops.get(path.rpartition("/")[0], path)
        return tops

    def _bulk(self, top: str, paths: list[str]) -> Change:
        entries = [(path, self.upper.entries[path]) for path in sorted(paths)]
        lines = (
            f"{path}\0{entry.mode}\0{entry.size}\0{entry.mtime_ns}\0{entry.link or ''}\n"
            for path, entry in entries
        )
        agent = Entry(
            kind=EntryKind.DIRECTORY,
            mode=self.upper.entries[top].mode,
            size=sum(entry.size for _, entry in entries),
            digest=digest_of("".join(lines).encode("utf-8", "surrogateescape")),
        )
        place = WorkspacePath(top)
        return Change(
            id=identify_change(place, None, agent),
            path=place,
            kind=ChangeKind.BULK,
            tier=Tier.ORDINARY,
            baseline=None,
            agent=agent,
            bulk_count=len(paths),
        )

    def _add(self, path: str, delta: Delta) -> None:
        if delta.after is not None and delta.after.kind is UpperKind.FILE:
            self._hashed_bytes += delta.after.size
            if self._hashed_bytes > self.limits.hashed_bytes:
                sides = self._unhashed(path, delta)
                self._found.append(withheld_change(path, sides, WithheldReason.TOO_LARGE))
                return
        known = self.known.get(path)
        change = known[1] if known is not None and known[0] == delta else self._make(path, delta)
        if change is not None:
            self._found.append(change)

    def _make(self, path: str, delta: Delta) -> Change | None:
        try:
            agent = self._after(path, delta.after) if delta.after is not None else None
        except OSError:
            return None  # it is gone or another thing already: the next walk sees it
        before = None
        if delta.before is not None:
            before = self._before(path, delta.before, is_hashed=True)
        change = make_change(path, before, agent, self.classify(path))
        if delta.after is None or is_settled(delta.after):
            self.known[path] = (delta, change)
        return change

    def _after(self, path: str, entry: UpperEntry) -> Entry:
        if entry.kind is not UpperKind.FILE:
            return agent_entry(entry, digest=None)
        return agent_entry(entry, digest=self.hashes.of_agent(path, self.limits.file_bytes))

    def _before(self, path: str, row: Row, *, is_hashed: bool) -> Entry:
        digest = self.hashes.of_baseline(path) if is_hashed and is_file(row[1]) else None
        return baseline_entry(row, digest=digest, link=self.baseline.links.get(path))

    def _unhashed(self, path: str, delta: Delta) -> tuple[Entry | None, Entry | None]:
        row, entry = delta.before, delta.after
        return (
            self._before(path, row, is_hashed=False) if row is not None else None,
            agent_entry(entry, digest=None) if entry is not None else None,
        )


def _is_directory(delta: Delta) -> bool:
    if delta.after is not None:
        return delta.after.kind is UpperKind.DIRECTORY
    return delta.before is not None and is_directory(delta.before[1])


def _own_reason(path: str, delta: Delta, limits: ChangeLimits) -> WithheldReason | None:
    entry = delta.after
    if entry is None:
        return None
    match entry.kind:
        case UpperKind.SPECIAL:
            return WithheldReason.SPECIAL_FILE
        case UpperKind.FILE if entry.size > limits.file_bytes:
            return WithheldReason.TOO_LARGE
        case UpperKind.SYMLINK if leaves_workspace(WorkspacePath(path), entry.link or ""):
            return WithheldReason.LEAVES_WORKSPACE
        case _:
            return None


def _path_bytes(change: Change) -> bytes:
    return str(change.path).encode("utf-8", "surrogateescape")
