# SPDX-License-Identifier: Apache-2.0
"""Hunks: parts of a text change that are decided on their own.

Lines end at line feeds and nowhere else: carriage returns, form feeds and Unicode separators are
content.
"""

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Protocol

from bbox_server.domain.change import Hunk, HunkId, HunkLine
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import Digest, WorkspacePath

TEXT_LIMIT_BYTES: Final = 10 << 20
"""Larger files are decided as a whole (compat DIF-05)."""

BINARY_PROBE_BYTES: Final = 8192
"""A NUL among the first of these makes a file binary (compat DIF-05; git's own rule)."""


class LineOrigin(StrEnum):
    """Which sides have a line."""

    CONTEXT = " "
    REMOVED = "-"
    ADDED = "+"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPair:
    """Two contents of one path, to be compared."""

    path: WorkspacePath
    old_digest: Digest
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A three-way merge; with conflicts the content has markers (diff3 style)."""

    content: bytes
    conflicts: int


class Differ(Protocol):
    """Compares and merges texts."""

    async def compare(self, pairs: Sequence[TextPair]) -> tuple[tuple[Hunk, ...], ...]:
        """The hunks of each pair, in order. Raises: dependency.missing, process.failed."""
        ...

    async def merge(self, *, base: bytes, ours: bytes, theirs: bytes) -> Merge:
        """Merge both sides' changes of the base. Raises: dependency.missing, process.failed."""
        ...


def is_text(content: bytes) -> bool:
    """Whether hunks of it make sense."""
    return len(content) <= TEXT_LIMIT_BYTES and b"\0" not in content[:BINARY_PROBE_BYTES]


def split_lines(content: bytes) -> tuple[bytes, ...]:
    """Lines with their ends; the last one may have none."""
    *lines, last = content.split(b"\n")
    ended = tuple(line + b"\n" for line in lines)
    return (*ended, last) if last else ended


def identify(path: WorkspacePath, old_digest: Digest, hunk: Hunk) -> Hunk:
    """The hunk with its identifier: path, old content, place, and what it removes and adds.

    The place of every single line counts, so that two hunks with the same removed and added text
    around different context lines are not the same.
    """
    hasher = hashlib.sha256()
    head = f"{path}\0{old_digest}\0{hunk.header if not hunk.lines else ''}\0"
    hasher.update(head.encode("utf-8", "surrogateescape"))
    position = hunk.old_start
    for line in hunk.lines:
        if line.origin != LineOrigin.CONTEXT:
            hasher.update(f"{line.origin}{position} {len(line.content)} ".encode())
            hasher.update(line.content)
        position += line.origin != LineOrigin.ADDED
    return replace(hunk, id=HunkId(hasher.hexdigest()[:32]))


def apply_hunks(old: bytes, hunks: Sequence[Hunk], chosen: AbstractSet[HunkId]) -> bytes:
    """The old content with the chosen hunks applied: none gives the old, all gives the new.

    Raises: review.stale where a hunk is not of this content.
    """
    lines = split_lines(old)
    parts: list[bytes] = []
    position = 0
    for hunk in hunks:
        if not hunk.lines:
            continue
        start = first_line(hunk)
        end = start + hunk.old_lines
        if lines[start:end] != side_of(hunk, LineOrigin.REMOVED) or start < position:
            raise BboxError(
                ErrorCode.REVIEW_STALE,
                cause=f"The lines at {hunk.header} are no longer what was shown.",
                remediation="Look at the changes again.",
            )
        parts += lines[position:start]
        parts += side_of(hunk, LineOrigin.ADDED) if hunk.id in chosen else lines[start:end]
        position = end
    return b"".join((*parts, *lines[position:]))


def first_line(hunk: Hunk) -> int:
    """Index of the hunk's first old line; where it has none, of the line it goes before."""
    return hunk.old_start - 1 if hunk.old_lines else hunk.old_start


def side_of(hunk: Hunk, origin: LineOrigin) -> tuple[bytes, ...]:
    """The hunk's lines on the old side (REMOVED) or on the new side (ADDED)."""
    return tuple(line.content for line in hunk.lines if line.origin in {origin, LineOrigin.CONTEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkPlace:
    """Where a hunk is in a base that has other hunks applied, and what it does there."""

    old_start: int
    edits: tuple[tuple[int, HunkLine], ...]


def place_of(hunk: Hunk, shift: int = 0) -> HunkPlace:
    """The hunk's removed and added lines, each with its old line number, moved by `shift`."""
    position = hunk.old_start + shift + (0 if hunk.old_lines else 1)
    edits: list[tuple[int, HunkLine]] = []
    for line in hunk.lines:
        if line.origin != LineOrigin.CONTEXT:
            edits.append((position, line))
        position += line.origin != LineOrigin.ADDED
    return HunkPlace(old_start=edits[0][0] if edits else 0, edits=tuple(edits))


def rest_after(
    hunks: Iterable[Hunk], chosen: AbstractSet[HunkId]
) -> tuple[tuple[HunkId, HunkPlace], ...]:
    """Where each hunk that was not chosen is once the chosen ones are in the base."""
    rest: list[tuple[HunkId, HunkPlace]] = []
    shift = 0
    for hunk in hunks:
        if hunk.id in chosen:
            shift += hunk.new_lines - hunk.old_lines
        else:
            rest.append((hunk.id, place_of(hunk, shift)))
    return tuple(rest)


def mode_hunk(path: WorkspacePath, old_mode: int, new_mode: int) -> Hunk:
    """The executable bit as a hunk without lines, so that it is decided on its own."""
    bare = Hunk(
        id=HunkId(""),
        old_start=0,
        old_lines=0,
        new_start=0,
        new_lines=0,
        lines=(),
        header=f"old mode {old_mode:o}, new mode {new_mode:o}",
    )
    return identify(path, Digest(""), bare)
