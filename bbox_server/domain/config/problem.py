# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a config file, or should be known of it, and where that stands."""

from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

KeyPath = tuple[str | int, ...]
"""Keys and positions in lists, from the top of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something a value can't be."""

    path: KeyPath
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """In a file; both count from 1."""

    line: int
    column: int


class Layer(StrEnum):
    """Where a value comes from; later ones are put over earlier ones."""

    BUILT_IN = "built-in"
    GLOBAL = "global"
    WORKSPACE = "workspace"
    OPTION = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value stands."""

    layer: Layer
    file: str = ""
    position: Position | None = None

    @override
    def __str__(self) -> str:
        if not self.file:
            return self.layer.value
        at = f":{self.position.line}:{self.position.column}" if self.position else ""
        return f"{self.file}{at}"


class FindingKind(StrEnum):
    """What became of a value that somebody should know of."""

    INVALID = "invalid"
    """It can't be used."""
    TIGHTENED = "tightened"
    """The workspace is stricter than the user."""
    WIDENS = "widens"
    """The workspace asks for more than the user allows: not applied before it is trusted."""
    WIDENED = "widened"
    """The same, of a file that the user trusts: applied."""
    IGNORED = "ignored"
    """A workspace has no say in this."""
    CLAMPED = "clamped"
    """It is beyond a limit."""
    UNUSED = "unused"
    """It is accepted and has no effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about one value."""

    kind: FindingKind
    path: KeyPath
    text: str
    origin: Origin

    @override
    def __str__(self) -> str:
        place = f"{dotted(self.path)}: " if self.path else ""
        return f"{self.origin}: {place}{self.text}"


def dotted(path: KeyPath) -> str:
    """`agents.codex.allow_hosts[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
