# SPDX-License-Identifier: Apache-2.0
"""One line of a gitignore file, compiled (gitignore(5); git's dir.c and wildmatch.c).

git matches bytes: names and patterns are compared as strings with one character per byte. A
regular expression made here can't backtrack without bound: whoever writes a repository writes its
ignore files. (pathspec's expressions can, and differ from git in brackets, escapes and tabs.)
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

LENGTH_LIMIT: Final = 4096
"""No longer path exists (PATH_MAX), so no longer pattern matches one literally."""

_PRINTABLE: Final = frozenset(range(0x21, 0x7F))
_CLASSES: Final[dict[str, frozenset[int]]] = {
    "alnum": frozenset(map(ord, string.ascii_letters + string.digits)),
    "alpha": frozenset(map(ord, string.ascii_letters)),
    "blank": frozenset(b" \t"),
    "cntrl": frozenset(range(0x20)) | {0x7F},
    "digit": frozenset(map(ord, string.digits)),
    "graph": _PRINTABLE,
    "lower": frozenset(map(ord, string.ascii_lowercase)),
    "print": _PRINTABLE | {0x20},
    "punct": frozenset(map(ord, string.punctuation)),
    "space": frozenset(b" \t\n\r\v\f"),
    "upper": frozenset(map(ord, string.ascii_uppercase)),
    "xdigit": frozenset(map(ord, string.hexdigits)),
}
_SPECIAL: Final = frozenset("*?[\\")
_NEVER: Final = "(?!)"


class _NeverMatchesError(Exception):
    """git gives up on such a pattern when it meets it: it matches nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnorePattern:
    """A compiled line.

    Attributes:
        line: As it was written.
        negated: Makes what an earlier line hides visible again.
        directory_only: Doesn't match files.
        anchored: Compared with the whole path; else with the last component.
        first: The first component of the path, where the pattern says it literally.
        expression: Matches all of an entry's path or name; directories without their slash.
        literal: What the pattern matches, if that is one name.
    """

    line: str
    negated: bool
    directory_only: bool
    anchored: bool
    first: str | None
    expression: re.Pattern[str]
    literal: str | None


def as_bytes(text: str) -> str:
    """A name as git sees it: one character per byte."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def compile_line(line: str) -> IgnorePattern | None:
    """The pattern of a line; None for blank lines and comments."""
    text = _without_trailing_spaces(as_bytes(line.removesuffix("\r")))
    if not text or text.startswith("#"):
        return None
    negated = text.startswith("!")
    body = text[1:] if negated else text
    directory_only = body.endswith("/")
    body = body.removesuffix("/")
    anchored = "/" in body
    body = body.removeprefix("/")
    expression = _expression(body, anchored=anchored)
    plain = not set(body) & _SPECIAL
    return IgnorePattern(
        line=line,
        negated=negated,
        directory_only=directory_only,
        anchored=anchored,
        first=_first_component(body) if anchored else None,
        expression=re.compile(expression, re.DOTALL),
        literal=body if plain else None,
    )


def _without_trailing_spaces(text: str) -> str:
    # dir.c, trim_trailing_spaces: a backslash keeps the character after it.
    last_space: int | None = None
    index = 0
    while index < len(text):
        if text[index] == " ":
            last_space = index if last_space is None else last_space
        else:
            last_space = None
            if text[index] == "\\":
                index += 1
                if index >= len(text):
                    return text
        index += 1
    return text if last_space is None else text[:last_space]


def _first_component(body: str) -> str | None:
    first = body.partition("/")[0]
    return None if set(first) & _SPECIAL else first


def _expression(body: str, *, anchored: bool) -> str:
    if len(body) > LENGTH_LIMIT or not body:
        return _NEVER
    try:
        return _join(list(_tokens(body, anchored=anchored)))
    except _NeverMatchesError:
        return _NEVER


class _Wild(Enum):
    """What stands for any number of characters."""

    WITHIN = "*"
    DIRECTORIES = "**/"
    REST = "**"


_Token = str | _Wild


def _tokens(body: str, *, anchored: bool) -> Iterator[_Token]:
    """Expressions of one character each, and wildcards."""
    index = 0
    while index < len(body):
        char = body[index]
        if char == "*":
            wild, index = _stars(body, index, anchored=anchored)
            yield from wild
        elif char == "[":
            accepted, index = _bracket(body, index + 1)
            yield _class_of(accepted)
        elif char == "\\":
            if index + 1 >= len(body):
                raise _NeverMatchesError
            yield re.escape(body[index + 1])
            index += 2
        else:
            yield "[^/]" if char == "?" else re.escape(char)
            index += 1


def _stars(body: str, start: int, *, anchored: bool) -> tuple[tuple[_Token, ...], int]:
    end = start
    while end < len(body) and body[end] == "*":
        end += 1
    # dir.c, match_pathname cuts the literal start off, so that stars behind it open the pattern.
    opens = not set(body[:start]) & _SPECIAL or body[start - 1] == "/"
    if end - start == 1 or not anchored or not opens:
        return (_Wild.WITHIN,), end
    rest = body[end:]
    if rest.startswith("/"):
        return (_Wild.DIRECTORIES,), end + 1
    if rest.startswith("\\/"):
        return (_Wild.WITHIN, "/", _Wild.DIRECTORIES), end + 2
    return (_Wild.WITHIN if rest else _Wild.REST,), end


def _bracket(body: str, start: int) -> tuple[frozenset[int], int]:
    """The accepted bytes of a bracket expression, and where it ends (wildmatch.c, case '[')."""
    index = start
    negated = body[index : index + 1] in ("!", "^")
    index += negated
    accepted: set[int] = set()
    previous: int | None = None
    first = True
    while first or body[index : index + 1] != "]":
        first = False
        if index >= len(body):
            raise _NeverMatchesError
        found, previous, index = _bracket_item(body, index, previous)
        accepted |= found
    everything = frozenset(range(256))
    return (everything - accepted if negated else frozenset(accepted)) - {ord("/")}, index + 1


def _bracket_item(
    body: str, index: int, previous: int | None
) -> tuple[frozenset[int], int | None, int]:
    char = body[index]
    following = body[index + 1 : index + 2]
    if char == "\\":
        if not following:
            raise _NeverMatchesError
        return frozenset({ord(following)}), ord(following), index + 2
    if char == "-" and previous is not None and following not in ("", "]"):
        last, end = _range_end(body, index + 1)
        return frozenset(range(previous, last + 1)), None, end
    if char == "[" and following == ":":
        return _named_class(body, index)
    return frozenset({ord(char)}), ord(char), index + 1


def _range_end(body: str, index: int) -> tuple[int, int]:
    if body[index] == "\\":
        index += 1
        if index >= len(body):
            raise _NeverMatchesError
    return ord(body[index]), index + 1


def _named_class(body: str, index: int) -> tuple[frozenset[int], int | None, int]:
    end = body.find("]", index + 2)
    if end < 0:
        raise _NeverMatchesError
    if end - index < len("[:]") or body[end - 1] != ":":
        return frozenset({ord("[")}), ord("["), index + 1
    named = _CLASSES.get(body[index + 2 : end - 1])
    if named is None:
        raise _NeverMatchesError
    return named, None, end + 1


def _class_of(accepted: frozenset[int]) -> str:
    if not accepted:
        raise _NeverMatchesError
    return "[" + "".join(f"\\x{byte:02x}" for byte in sorted(accepted)) + "]"


def _join(tokens: list[_Token]) -> str:
    """One expression in which each wildcard but the last stops at its earliest match for good.

    That is enough: what follows such a stop ends in another wildcard, which takes in what a later
    stop would have taken.
    """
    *pieces, last = _split(tokens, _Wild.DIRECTORIES)
    joined = [_runs(piece, is_last=False) for piece in pieces] + [_runs(last, is_last=True)]
    first, *others = joined
    if not others:
        return first
    middle = "".join(f"(?>(?:[^/]*/)*?{piece})" for piece in others[:-1])
    return f"{first}{middle}(?:[^/]*/)*{others[-1]}"


def _runs(piece: list[_Token], *, is_last: bool) -> str:
    first, *others = (
        "".join(".*" if token is _Wild.REST else str(token) for token in run)
        for run in _split(piece, _Wild.WITHIN)
    )
    if not others:
        return first
    middle = "".join(f"(?>[^/]*?{run})" for run in others[:-1])
    ending = f"[^/]*{others[-1]}" if is_last else f"(?>[^/]*?{others[-1]})"
    return f"{first}{middle}{ending}"


def _split(tokens: list[_Token], separator: _Wild) -> list[list[_Token]]:
    parts: list[list[_Token]] = [[]]
    for token in tokens:
        if token is separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
