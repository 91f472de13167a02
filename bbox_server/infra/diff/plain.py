# SPDX-License-Identifier: Apache-2.0
"""Hunks without git: for small texts, and one coarse hunk for what would take too long."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from bbox_server.domain.change import Hunk, HunkId, HunkLine
from bbox_server.domain.hunk import LineOrigin, split_lines

# difflib compares lines pairwise at its worst: 4 million pairs take about a second.
_PAIR_LIMIT: Final = 4_000_000

_CONTEXT_LINES: Final = 3


def plain_hunks(old: bytes, new: bytes) -> tuple[Hunk, ...]:
    """The hunks between two texts, without identifiers, grouped as git groups them."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    if old_lines == new_lines:
        return ()
    if len(old_lines) * len(new_lines) > _PAIR_LIMIT:
        return coarse_hunks(old, new)
    matcher = SequenceMatcher(None, old_lines, new_lines, autojunk=False)
    return tuple(
        _hunk(group, old_lines, new_lines) for group in matcher.get_grouped_opcodes(_CONTEXT_LINES)
    )


def coarse_hunks(old: bytes, new: bytes) -> tuple[Hunk, ...]:
    """One hunk over all that lies between the common start and the common end."""
    old_lines, new_lines = split_lines(old), split_lines(new)
    if old_lines == new_lines:
        return ()
    shorter = min(len(old_lines), len(new_lines))
    head = next((i for i in range(shorter) if old_lines[i] != new_lines[i]), shorter)
    rest = shorter - head
    tail = next((i for i in range(rest) if old_lines[-1 - i] != new_lines[-1 - i]), rest)
    opcode = ("replace", head, len(old_lines) - tail, head, len(new_lines) - tail)
    return (_hunk((opcode,), old_lines, new_lines),)


def _hunk(
    group: Sequence[tuple[str, int, int, int, int]],
    old_lines: tuple[bytes, ...],
    new_lines: tuple[bytes, ...],
) -> Hunk:
    lines: list[HunkLine] = []
    for tag, old_from, old_to, new_from, new_to in group:
        if tag == "equal":
            lines += _lines(LineOrigin.CONTEXT, old_lines[old_from:old_to])
        else:
            lines += _lines(LineOrigin.REMOVED, old_lines[old_from:old_to])
            lines += _lines(LineOrigin.ADDED, new_lines[new_from:new_to])
    old_count, new_count = group[-1][2] - group[0][1], group[-1][4] - group[0][3]
    # As git writes it: a side without lines names the line before it.
    old_start = group[0][1] + (1 if old_count else 0)
    new_start = group[0][3] + (1 if new_count else 0)
    return Hunk(
        id=HunkId(""),
        old_start=old_start,
        old_lines=old_count,
        new_start=new_start,
        new_lines=new_count,
        lines=tuple(lines),
        header=f"@@ -{old_start},{old_count} +{new_start},{new_count} @@",
    )


def _lines(origin: LineOrigin, contents: tuple[bytes, ...]) -> list[HunkLine]:
    return [HunkLine(origin=origin, content=content) for content in contents]
