# SPDX-License-Identifier: Apache-2.0
"""JSON with comments and trailing commas, made JSON (compat SET-06)."""

from typing import Final

_BLANK: Final = " \t\r\n"


def strip_jsonc(text: str) -> str:
    """The text without comments and without commas before a closing bracket.

    Nothing in a string is touched. A block comment that has no end takes the rest with it.
    """
    return _without_trailing_commas(_without_comments(text))


def _without_comments(text: str) -> str:
    kept = []
    index = 0
    while index < len(text):
        if text[index] == '"':
            end = _string_end(text, index)
            kept.append(text[index:end])
        elif text.startswith("//", index):
            end = _found(text, "\n", index)
        elif text.startswith("/*", index):
            end = min(_found(text, "*/", index + 2) + 2, len(text))
        else:
            end = index + 1
            kept.append(text[index])
        index = end
    return "".join(kept)


def _without_trailing_commas(text: str) -> str:
    kept = []
    index = 0
    while index < len(text):
        end = _string_end(text, index) if text[index] == '"' else index + 1
        if text[index] != "," or not _closes(text, end):
            kept.append(text[index:end])
        index = end
    return "".join(kept)


def _closes(text: str, index: int) -> bool:
    while index < len(text) and text[index] in _BLANK:
        index += 1
    return text[index : index + 1] in ("}", "]")


def _string_end(text: str, start: int) -> int:
    index = start + 1
    while index < len(text) and text[index] != '"':
        index += 2 if text[index] == "\\" else 1
    return min(index + 1, len(text))


def _found(text: str, what: str, start: int) -> int:
    index = text.find(what, start)
    return len(text) if index < 0 else index
