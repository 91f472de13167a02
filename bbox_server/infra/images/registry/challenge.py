# SPDX-License-Identifier: Apache-2.0
"""What a registry asks for before it answers (RFC 9110, 11.6.1; distribution's token.md)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

# A registry's word is hostile input; no real challenge comes near.
_LIMIT: Final = 8192

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME: Final = re.compile(rf"[\s,]*({_WORD})(?=\s|,|$)")
_PARAMETER: Final = re.compile(
    rf'[\s,]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))(?=\s|,|$)'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to authorize.

    Attributes:
        scheme: In lower case.
        parameters: Names in lower case.
    """

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """All ways that WWW-Authenticate headers offer; what can't be read ends its header."""
    found: list[Challenge] = []
    for header in headers:
        found += _parse(header[:_LIMIT])
    return tuple(found)


def _parse(header: str) -> list[Challenge]:
    found: list[Challenge] = []
    position = 0
    while (scheme := _SCHEME.match(header, position)) is not None:
        position = scheme.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(header, position)) is not None:
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters.setdefault(name.lower(), value)
            position = parameter.end()
        found.append(Challenge(scheme=scheme[1].lower(), parameters=parameters))
    return found
