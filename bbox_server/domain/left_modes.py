# SPDX-License-Identifier: Apache-2.0
"""What a program in the guest left switched on in the user's terminal."""

import re
from typing import Final

_MODE_CHANGE: Final = re.compile(r"\x1b\[\?([0-9;]+)([hl])")
_KEYBOARD: Final = re.compile(r"\x1b\[(?:[>=][0-9;]*u|>4)")
_MARGINS: Final = re.compile(r"\x1b\[[0-9;]*r")
_SHAPE: Final = re.compile(r"\x1b\[[0-6]? q")

_ON_BY_DEFAULT: Final = frozenset({"7", "25"})
"""Wrapping and a visible cursor."""

_NOT_PUT_BACK: Final = frozenset({"12", "45", "66", "1007", "1048"})
"""What users configure, and what is an action and no mode."""

_ALWAYS: Final = "\x1b[0m\x1b(B\x0f\x1b[4l\x1b>"
"""Attributes, line drawing, insert mode, keypad: harmless where they were not changed."""


class LeftModes:
    """Follows filtered output; `undo` is what puts the terminal back."""

    def __init__(self) -> None:
        self._modes: dict[str, bool] = {}
        self._others: dict[str, None] = {}

    def note(self, passed: str) -> None:
        """Take note of whole sequences."""
        if "\x1b[" not in passed:
            return
        for change in _MODE_CHANGE.finditer(passed):
            for mode in change[1].split(";"):
                self._modes[mode] = change[2] == "h"
        for pattern, undo in _OTHERS:
            if pattern.search(passed):
                self._others[undo] = None

    def undo(self) -> str:
        """What switches off what is on, and back on what is off; all is forgotten then."""
        changed = [
            f"\x1b[?{mode}{'l' if is_on else 'h'}"
            for mode, is_on in self._modes.items()
            if is_on is not (mode in _ON_BY_DEFAULT) and mode not in _NOT_PUT_BACK
        ]
        text = "".join((*self._others, _ALWAYS, *changed))
        self._modes.clear()
        self._others.clear()
        return text


_OTHERS: Final = (
    # Kitty's stack of keyboard flags, popped to its ground, and xterm's modified keys.
    (_KEYBOARD, "\x1b[<99u\x1b[>4m"),
    # Without margins the cursor goes home, so it is kept around that.
    (_MARGINS, "\x1b7\x1b[r\x1b8"),
    (_SHAPE, "\x1b[0 q"),
)
