# SPDX-License-Identifier: Apache-2.0
"""What the upper directory makes of the baseline, path by path (workspace.md 4).

Only what the agent touched is looked at: the cost is that of the changes, not of the workspace.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from bbox_server.infra.workspace.tree import Row, Tree, is_directory, joined
from bbox_server.infra.workspace.upper import Upper, UpperEntry, UpperKind


@dataclass(frozen=True, slots=True)
class Delta:
    """A path that the overlay shows differently; at least one side is there."""

    before: Row | None
    after: UpperEntry | None


def find_deltas(baseline: Tree, upper: Upper) -> dict[str, Delta]:
    """All differences, those of contents that may be equal included."""
    return dict(_Merge(baseline, upper).run())


class _Merge:
    def __init__(self, baseline: Tree, upper: Upper) -> None:
        self._baseline = baseline
        self._upper = upper
        # A directory that was not looked into says nothing about what is missing in it.
        self._unknown = upper.cut

    def run(self) -> Iterator[tuple[str, Delta]]:
        for path, entry in self._upper.entries.items():
            before = self._baseline.find(path)
            match entry.kind:
                case UpperKind.WHITEOUT:
                    yield from self._gone(path, before)
                case UpperKind.DIRECTORY:
                    yield from self._directory(path, before, entry)
                case _:
                    yield path, Delta(before, entry)
                    if before is not None and is_directory(before[1]):
                        yield from self._emptied(path)

    def _directory(
        self, path: str, before: Row | None, entry: UpperEntry
    ) -> Iterator[tuple[str, Delta]]:
        if before is None or not is_directory(before[1]):
            yield path, Delta(before, entry)
        elif entry.opaque and path not in self._unknown:
            yield from self._emptied(path)

    def _gone(self, path: str, before: Row | None) -> Iterator[tuple[str, Delta]]:
        if before is not None:
            yield path, Delta(before, None)
            if is_directory(before[1]):
                yield from self._emptied(path)

    def _emptied(self, directory: str) -> Iterator[tuple[str, Delta]]:
        """What the baseline has below, unless the upper directory has something of the name."""
        pending = [directory]
        while pending:
            current = pending.pop()
            for row in self._baseline.rows.get(current, ()):
                path = joined(current, row[0])
                entry = self._upper.entries.get(path)
                is_gone = entry is None or entry.kind is UpperKind.WHITEOUT
                if path in self._baseline.absent or path in self._upper.counts:
                    continue
                if is_gone:
                    yield path, Delta(row, None)
                if is_directory(row[1]) and path not in self._unknown:
                    pending.append(path)
