# SPDX-License-Identifier: Apache-2.0
"""What a diff does not show well: line ends, byte order marks, encodings."""

from collections.abc import Callable, Iterable
from typing import Final

from bbox_server.domain.change import Hunk, HunkLine
from bbox_server.domain.review_note import Note

_MARK: Final = b"\xef\xbb\xbf"


def text_notes(hunks: Iterable[Hunk]) -> tuple[Note, ...]:
    """What a user should know of the lines that differ."""
    lines = [line for hunk in hunks for line in hunk.lines]
    old = [line.content for line in lines if line.origin == "-"]
    new = [line.content for line in lines if line.origin == "+"]
    found = (
        (Note.LINE_ENDINGS, _ends_differ(_ends(old), _ends(new))),
        (Note.BYTE_ORDER_MARK, _has(old, _is_marked) != _has(new, _is_marked)),
        (Note.FINAL_NEWLINE, _has(old, _is_unfinished) != _has(new, _is_unfinished)),
        (Note.NOT_UTF8, not all(map(_is_utf8, lines))),
    )
    return tuple(note for note, is_so in found if is_so)


def _ends_differ(old: frozenset[bool], new: frozenset[bool]) -> bool:
    return bool(old and new) and old != new


def _ends(lines: Iterable[bytes]) -> frozenset[bool]:
    return frozenset(line.endswith(b"\r\n") for line in lines if line.endswith(b"\n"))


def _has(lines: Iterable[bytes], is_such: Callable[[bytes], bool]) -> bool:
    return any(map(is_such, lines))


def _is_marked(line: bytes) -> bool:
    return line.startswith(_MARK)


def _is_unfinished(line: bytes) -> bool:
    return not line.endswith(b"\n")


def _is_utf8(line: HunkLine) -> bool:
    try:
        line.content.decode()
    except UnicodeDecodeError:
        return False
    return True
