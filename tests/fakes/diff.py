# SPDX-License-Identifier: Apache-2.0
"""A differ that starts nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from typing_extensions import override

from bbox_server.domain.change import Hunk
from bbox_server.domain.hunk import Differ, Merge, TextPair, identify, split_lines
from bbox_server.infra.diff.plain import plain_hunks

Edits = dict[int, tuple[int, tuple[bytes, ...]]]


@dataclass(frozen=True, kw_only=True)
class PlainDiffer(Differ):
    """Compares with difflib, and merges by hunks that neither overlap nor touch."""

    @override
    async def compare(self, pairs: Sequence[TextPair]) -> tuple[tuple[Hunk, ...], ...]:
        return tuple(
            tuple(
                identify(pair.path, pair.old_digest, hunk)
                for hunk in plain_hunks(pair.old, pair.new)
            )
            for pair in pairs
        )

    @override
    async def merge(self, *, base: bytes, ours: bytes, theirs: bytes) -> Merge:
        mine, yours = _edits(base, ours), _edits(base, theirs)
        both = {start: edit for start, edit in mine.items() if yours.get(start) == edit}
        mine = {start: edit for start, edit in mine.items() if start not in both}
        yours = {start: edit for start, edit in yours.items() if start not in both}
        conflicts = sum(
            start <= other_end and other_start <= end
            for start, (end, _) in mine.items()
            for other_start, (other_end, _) in yours.items()
        )
        if conflicts:
            marked = b"<<<<<<<\n" + ours + b"|||||||\n" + base + b"=======\n" + theirs
            return Merge(content=marked + b">>>>>>>\n", conflicts=conflicts)
        return Merge(content=_applied(base, both | mine | yours), conflicts=0)


def _edits(base: bytes, changed: bytes) -> Edits:
    before, after = split_lines(base), split_lines(changed)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    return {
        start: (end, after[new_start:new_end])
        for tag, start, end, new_start, new_end in matcher.get_opcodes()
        if tag != "equal"
    }


def _applied(base: bytes, edits: Edits) -> bytes:
    lines, parts, position = split_lines(base), [], 0
    for start, (end, new) in sorted(edits.items()):
        parts += [*lines[position:start], *new]
        position = end
    return b"".join((*parts, *lines[position:]))
