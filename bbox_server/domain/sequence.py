# SPDX-License-Identifier: Apache-2.0
"""Escape sequences of terminals: the ones a guest's output may hold, as patterns on text.

Names and numbers are those of ECMA-48 and of xterm's ctlseqs. What is not listed is dropped:
clipboard (OSC 52), titles, directories and marks (OSC 0, 2, 7, 133, 633), links and images (OSC 8,
1337), all device control, application and privacy strings, printing, window operations, and each
report whose answer the guest could choose the words of.
"""

import re
from typing import Final

SEQUENCE_LIMIT: Final = 256
"""Characters of a control sequence that is kept while it is incomplete; all allowed are shorter."""

STRING_LIMIT: Final = 1 << 20
"""Characters after which a string without an end is over: an output must not vanish for good."""

_NUMBER: Final = r"[0-9]{0,5}"
_NUMBERS: Final = rf"(?:{_NUMBER}[;:]){{0,32}}{_NUMBER}"

MODES: Final = (
    *(1, 4, 5, 6, 7, 9, 12, 25, 45, 47, 66),
    *(1000, 1002, 1003, 1004, 1005, 1006, 1007, 1015, 1016),
    *(1047, 1048, 1049, 2004, 2026, 2027, 2031),
)
"""DEC private modes: keys, cursor, wrap, alternate screen, mouse, focus, paste, synchronisation."""

_MODE: Final = f"(?:{'|'.join(map(str, MODES))})"

# The terminal answers these, in words that the guest can't choose.
_QUERIES: Final = (
    r"\x1b\[[56]n",  # status, cursor position
    r"\x1b\[>?0?c",  # device attributes
    r"\x1b\[\?u",  # keyboard flags
    r"\x1b\[\?(?:6|996)n",  # cursor position, colour scheme
    r"\x1b\[\?[0-9]{1,5}\$p",  # is a mode supported
    r"\x1b\]1[01];\?(?:\x07|\x1b\\)",  # foreground, background
)

_COMMANDS: Final = (
    rf"\x1b\[{_NUMBERS}[@A-HIJKLMPSXZ`abdefgmrsu]",  # cursor, erase, insert, scroll, SGR, margins
    rf"\x1b\[{_NUMBER}T",  # with more numbers it starts a tracking that blocks the terminal
    r"\x1b\[4[hl]",  # insert mode
    rf"\x1b\[\?{_MODE}(?:;{_MODE}){{0,15}}[hl]",
    r"\x1b\[\?[0-3]?[JK]",
    r"\x1b\[!p",  # soft reset
    r"\x1b\[[0-6]? q",  # cursor's shape
    r"\x1b\[[><][0-9]{0,2}u",  # keyboard flags: push, pop
    r"\x1b\[=[0-9]{0,2}(?:;[1-3])?u",
    r"\x1b\[>4(?:;[0-2]?)?m",  # keys with modifiers
    r"\x1b[78=>DEHM]",
    r"\x1b[()][0B]",  # line drawing
)

# BEL BS HT LF VT FF CR SO SI; not ENQ, which asks the terminal for a text of its owner's.
_TEXT: Final = r"[^\x00-\x06\x10-\x1f\x7f-\x9f]+"

ALLOWED_RUN: Final = re.compile(f"(?:{'|'.join((_TEXT, *_COMMANDS, *_QUERIES))})*")
"""As much as may pass as it is."""

QUERY: Final = re.compile("|".join(_QUERIES))

JUNK: Final = re.compile(r"(?:[\x00-\x06\x10-\x1a\x1c-\x1f\x7f]|\x1b(?=\x1b))+")
"""Controls that do nothing good, and escapes that another one cancels."""

C1: Final = re.compile(r"[\x80-\x9f]")

CONTROL: Final = re.compile(r"\x1b\[[ -?]*(?P<end>[@-~]?)")
"""A control sequence of any kind; `end` is empty when it is cut off or broken."""

INTERMEDIATE: Final = re.compile(r"\x1b[ -/]+(?P<end>[0-~]?)")

STRING_START: Final = re.compile(r"\x1b[]PX^_]")

COMMAND_END: Final = re.compile(r"[\x07\x18\x1a\x1b]")
"""Where an operating system command (OSC) ends: xterm takes BEL for ST there."""

STRING_END: Final = re.compile(r"[\x18\x1a\x1b]")
"""Where other strings end: ST, or what cancels them; any escape does."""

CONTROL_REST: Final = re.compile(r"[ -?]*(?P<end>[@-~]?)")

INTERMEDIATE_REST: Final = re.compile(r"[ -/]*(?P<end>[0-~]?)")

PARTIAL_QUERY: Final = re.compile(r"\x1b\](?:1(?:[01](?:;(?:\?\x1b?)?)?)?)?\Z")
"""A string that may become an allowed query with the next bytes."""

RESET: Final = "\x1bc"


def run_end(text: str, position: int) -> int:
    """Where the longest run of text and allowed sequences ends."""
    found = ALLOWED_RUN.match(text, position)
    return found.end() if found else position


def rest_end(rest: re.Pattern[str], text: str, position: int) -> tuple[int, bool]:
    """Where the rest of a sequence ends, and whether that is its end or only the text's."""
    found = rest.match(text, position)
    end = found.end() if found else position
    return end, end < len(text) or bool(found and found["end"])
