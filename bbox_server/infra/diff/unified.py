# SPDX-License-Identifier: Apache-2.0
"""git's unified diffs as hunks of the domain. The home of unidiff.

unidiff works on text. Latin-1 takes every byte to one character and back, and neither a list of
lines nor its patterns split at anything but what we split at: byte-exact (ADR 0030).
"""

from unidiff.constants import LINE_TYPE_NO_NEWLINE
from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk as PatchHunk
from unidiff.patch import PatchSet

from bbox_server.domain.change import Hunk, HunkId, HunkLine
from bbox_server.domain.hunk import LineOrigin, split_lines


class MalformedDiffError(Exception):
    """The output of git is not a diff."""


def parse_patches(output: bytes) -> dict[str, tuple[Hunk, ...]]:
    """The hunks, without identifiers, by the name that the old file has in the diff.

    Raises:
        MalformedDiffError: It isn't a diff, or ends in the middle.
    """
    lines = [line.decode("latin-1") for line in split_lines(output)]
    try:
        patches = PatchSet(lines)
    except UnidiffParseError as error:
        raise MalformedDiffError(str(error)) from error
    return {patch.source_file: tuple(_hunk(hunk) for hunk in patch) for patch in patches}


def _hunk(patch: PatchHunk) -> Hunk:
    lines: list[HunkLine] = []
    for line in patch:
        if line.line_type == LINE_TYPE_NO_NEWLINE:
            # "\ No newline at end of file" speaks of the line before it.
            lines[-1] = HunkLine(origin=lines[-1].origin, content=lines[-1].content[:-1])
            continue
        origin = LineOrigin(line.line_type or LineOrigin.CONTEXT)
        lines.append(HunkLine(origin=origin, content=line.value.encode("latin-1")))
    return Hunk(
        id=HunkId(""),
        old_start=patch.source_start,
        old_lines=patch.source_length,
        new_start=patch.target_start,
        new_lines=patch.target_length,
        lines=tuple(lines),
        header=(
            f"@@ -{patch.source_start},{patch.source_length}"
            f" +{patch.target_start},{patch.target_length} @@"
        ),
    )
