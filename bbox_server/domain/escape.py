# SPDX-License-Identifier: Apache-2.0
"""Text and terminal output of the guest, made harmless for a terminal and for its reader."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bbox_server.domain import sequence
from bbox_server.domain.left_modes import LeftModes

# Blank, yet letters or symbols to Unicode.
_BLANK: Final = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufe00-\ufe0f]")

_RAW_BYTE_START: Final = 0xDC00
"""What a byte that is no UTF-8 is added to when a name is decoded (PEP 383)."""


SOFT_RESET: Final = "\x1b[!p\x1b[2J\x1b[H"
"""Passed instead of a full reset, which in some terminals throws the scrollback away."""


def escape_text(text: str) -> str:
    r"""One line in which everything can be seen: `\n`, `\x1b`, `\u202e`; names are shown so.

    Controls, bidirectional and zero-width characters, blanks that are no space, unassigned ones
    and bytes that were no UTF-8 are escaped. A backslash stays one.
    """
    if text.isprintable() and not _BLANK.search(text):
        return text
    return "".join(map(_visible, text))


def escape_line(text: str) -> str:
    """As `escape_text`, with tabs as they are: for lines of files."""
    return "\t".join(map(escape_text, text.split("\t")))


def _visible(character: str) -> str:
    if character.isprintable() and not _BLANK.match(character):
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - _RAW_BYTE_START:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def without_queries(filtered: bytes) -> bytes:
    """What a filter gave, with NUL for all that a terminal would answer: for a record.

    When a record is shown again, nobody waits for answers, and they would be typed into the agent.
    Terminals skip NUL, and the length stays, so that offsets mean the same live and recorded.
    """
    if b"\x1b" not in filtered:
        return filtered
    # What went into a pipe is not filtered, and may be no UTF-8.
    text = filtered.decode("utf-8", "surrogateescape")
    silenced = sequence.QUERY.sub(lambda query: "\0" * len(query.group()), text)
    return silenced.encode("utf-8", "surrogateescape")


class TerminalFilter:
    """Lets text and an allow-list of escape sequences pass, however the output is cut.

    Sequences leave it whole or not at all, so what was dropped can't join into another one. Bytes
    that are no UTF-8 become U+FFFD. It holds back an incomplete sequence, never complete text.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._dropping: _Dropping | None = None
        self._left = LeftModes()

    def feed(self, data: bytes) -> bytes:
        """What of the guest's output can be shown now."""
        text = self._decoder.decode(data)
        if sequence.C1.search(text):
            text = sequence.C1.sub(_seven_bit, text)
        text, self._held = self._held + text, ""
        return "".join(self._filtered(text)).encode()

    def restore(self) -> bytes:
        """What undoes the modes that the guest left on; write it when the guest has ended."""
        return self._left.undo().encode()

    def _filtered(self, text: str) -> Iterator[str]:
        position = 0
        while position < len(text):
            if self._dropping is not None:
                position = self._drop_more(text, position, self._dropping)
                continue
            run = text[position : sequence.run_end(text, position)]
            self._left.note(run)
            yield run
            position += len(run)
            if text.startswith(sequence.RESET, position):
                yield self._left.undo() + SOFT_RESET
                position += len(sequence.RESET)
            elif position < len(text):
                position = self._drop(text, position)

    def _drop(self, text: str, position: int) -> int:
        """Where the text goes on after what stands here and may not pass."""
        if junk := sequence.JUNK.match(text, position):
            return junk.end()
        if position + 1 == len(text) or sequence.PARTIAL_QUERY.match(text, position):
            return self._hold(text, position)
        if sequence.STRING_START.match(text, position):
            ends = sequence.COMMAND_END if text[position + 1] == "]" else sequence.STRING_END
            self._dropping = _String(ends)
            return position + 2
        for whole, rest in _SEQUENCES:
            if found := whole.match(text, position):
                return self._drop_sequence(text, found, rest)
        return position + (2 if "0" <= text[position + 1] <= "~" else 1)

    def _drop_sequence(self, text: str, found: re.Match[str], rest: re.Pattern[str]) -> int:
        if found["end"] or found.end() < len(text):
            return found.end()
        if found.end() - found.start() <= sequence.SEQUENCE_LIMIT:
            return self._hold(text, found.start())
        self._dropping = _Sequence(rest)
        return found.end()

    def _drop_more(self, text: str, position: int, dropping: "_Dropping") -> int:
        position, is_over = dropping.end(text, position)
        if is_over:
            self._dropping = None
        elif position < len(text):
            # An escape that may be the first half of the string's end.
            return self._hold(text, position)
        return position

    def _hold(self, text: str, position: int) -> int:
        self._held = text[position:]
        return len(text)


def _seven_bit(control: re.Match[str]) -> str:
    # The two-character form of an eight-bit control (ECMA-48, 5.3): then there is one of each.
    return "\x1b" + chr(ord(control.group()) - 0x40)


@dataclass(slots=True)
class _String:
    """A string that is dropped up to its end."""

    ends: re.Pattern[str]
    left: int = sequence.STRING_LIMIT

    def end(self, text: str, position: int) -> tuple[int, bool]:
        """Where it goes on, and whether the string is over there."""
        limit = min(len(text), position + self.left)
        found = self.ends.search(text, position, limit)
        stop = found.start() if found else limit
        self.left -= stop - position
        if found is None:
            return stop, self.left == 0
        if found.group() != "\x1b":
            return stop + 1, True
        if stop + 1 == len(text):
            return stop, False
        return stop + 2 * (text[stop + 1] == "\\"), True


@dataclass(slots=True)
class _Sequence:
    """A control sequence that is dropped up to its end, however long."""

    rest: re.Pattern[str]

    def end(self, text: str, position: int) -> tuple[int, bool]:
        """Where it goes on, and whether the sequence is over there."""
        return sequence.rest_end(self.rest, text, position)


_Dropping = _String | _Sequence

_SEQUENCES: Final = (
    (sequence.CONTROL, sequence.CONTROL_REST),
    (sequence.INTERMEDIATE, sequence.INTERMEDIATE_REST),
)
