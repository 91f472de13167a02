# SPDX-License-Identifier: Apache-2.0
"""Fields of a settings file: which pass, how two files become one, and what looks like a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MERGE_DEPTH: Final = 8
"""Deeper mappings are replaced, not merged (compat SET-04)."""

ANY_DEPTH: Final = "*."

Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFilter:
    """What passes (compat SET-04, SET-05).

    Attributes:
        allow: Top-level names; empty lets all pass.
        deny: By top-level name, what is taken out below it: `name` of its own members, `*.name`
            at any depth, in lists as well (P-34).
    """

    allow: tuple[str, ...] = ()
    deny: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def apply(self, fields: Mapping[str, object]) -> Fields:
        """The fields that pass."""
        kept = {name: each for name, each in fields.items() if not self.allow or name in self.allow}
        for name, patterns in self.deny.items():
            if name in kept:
                kept[name] = _denied(kept[name], patterns)
        return kept


def _denied(value: object, patterns: tuple[str, ...]) -> object:
    anywhere = {each.removeprefix(ANY_DEPTH) for each in patterns if each.startswith(ANY_DEPTH)}
    here = {each for each in patterns if not each.startswith(ANY_DEPTH)}
    if isinstance(value, dict):
        value = {name: each for name, each in value.items() if name not in here}
    return _without(value, anywhere)


def _without(value: object, names: set[str]) -> object:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    if isinstance(value, list):
        return [_without(each, names) for each in value]
    return value


def merged(below: Mapping[str, object], above: Mapping[str, object], depth: int = 0) -> Fields:
    """Both; where they differ the upper one counts, and lists are replaced (compat SET-04)."""
    result = dict(below)
    for name, value in above.items():
        under = result.get(name)
        if isinstance(under, dict) and isinstance(value, dict) and depth < MERGE_DEPTH:
            result[name] = merged(under, value, depth + 1)
        else:
            result[name] = value
    return result


# The end of a name, without the marks between its words.
_SECRET_NAME: Final = re.compile(
    r"(?:api_?key|access_?key|private_?key|secret_?key|signing_?key|encryption_?key"
    r"|token|secret|password|passwd|passphrase|credentials?|authorization|cookie|bearer)$"
)
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Documented prefixes of providers' keys; the length keeps ordinary words out.
_SECRET_VALUE: Final = re.compile(
    r"sk-[A-Za-z0-9_-]{16}|gh[pousr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{20}"
    r"|glpat-[A-Za-z0-9_-]{16}|xox[abprs]-[A-Za-z0-9-]{10}|AKIA[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30}"
    r"|hf_[A-Za-z0-9]{20}|npm_[A-Za-z0-9]{30}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|[Bb]earer [A-Za-z0-9._~+/-]{16}|://[^/\s:@]*:[^/\s@]+@"
)


def without_secrets(fields: Mapping[str, object]) -> tuple[Fields, tuple[str, ...]]:
    """The fields without what looks like a credential, and where it stood, dotted.

    By the field's name or by its value, at any depth and in lists. Numbers and switches stay,
    whatever they are called (`maxToken: 4096`); so does a reference to a variable (`{env:KEY}`).
    """
    found: list[str] = []
    kept = {
        name: _clean(value, name, found)
        for name, value in fields.items()
        if not _is_secret(name, value, name, found)
    }
    return kept, tuple(found)


def _clean(value: object, place: str, found: list[str]) -> object:
    if isinstance(value, dict):
        return {
            name: _clean(each, f"{place}.{name}", found)
            for name, each in value.items()
            if not _is_secret(name, each, f"{place}.{name}", found)
        }
    if isinstance(value, list):
        return [
            _clean(each, f"{place}[{index}]", found)
            for index, each in enumerate(value)
            if not _is_secret("", each, f"{place}[{index}]", found)
        ]
    return value


def _is_secret(name: object, value: object, place: str, found: list[str]) -> bool:
    if not isinstance(value, str):
        is_one = isinstance(value, (dict, list)) and bool(value) and names_secret(str(name))
    else:
        is_named = names_secret(str(name)) and not _is_reference(value)
        is_one = bool(value) and (is_named or _SECRET_VALUE.search(value) is not None)
    if is_one:
        found.append(place)
    return is_one


def names_secret(name: str) -> bool:
    """Whether a field or a variable of that name holds a credential."""
    words = _WORD_START.sub("_", name).lower().replace("-", "_").replace(".", "_")
    return _SECRET_NAME.search(words) is not None


def _is_reference(value: str) -> bool:
    return value.startswith(("{env:", "{file:", "${", "$")) and len(value) < 200  # noqa: PLR2004 (no key hides in a name so long)
