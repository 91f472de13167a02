# SPDX-License-Identifier: Apache-2.0
"""Text of other programs, made harmless for a terminal."""

import unicodedata
from typing import Final

LINE_LIMIT: Final = 500

# Cc: control; Cf: bidi overrides and the like; Cs: surrogates; Co, Cn: private and unassigned.
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(line: bytes | str, limit: int = LINE_LIMIT) -> str:
    """One line with everything that a terminal would act on escaped, at most `limit` long."""
    if isinstance(line, bytes):
        line = line[: limit * 4].decode("utf-8", "backslashreplace")
    shown = "".join(
        character
        if unicodedata.category(character) not in _HIDDEN
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in line[:limit]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
