# SPDX-License-Identifier: Apache-2.0
"""What a scalar of a config file means to the field that takes it."""

import difflib
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final, TypeVar

from pydantic import BeforeValidator, WithJsonSchema

from bbox_server.domain.bytesize import mib_of
from bbox_server.domain.config.agent_section import McpMode
from bbox_server.domain.config.mcp_section import AuthzProfile, ConflictResolution, Seconds
from bbox_server.domain.config.sections import Mebibytes
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import host_rule
from bbox_server.domain.environment import validate_patterns
from bbox_server.domain.error import BboxError
from bbox_server.domain.image import PullPolicy, parse_reference
from bbox_server.domain.settings import SettingsCategory, SettingsFormat, SettingsKind
from bbox_server.infra.config.tree import Plain

_T = TypeVar("_T")

_WHOLE: Final = re.compile(r"[0-9]{1,10}")
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]{1,18})(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,2})?")
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h)")
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_DURATION_CHARACTERS: Final = 40
# yaml.v3 of the reference takes these where a switch is wanted.
_ON: Final = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_OFF: Final = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})

MAX_PORT: Final = 65535
_SHOWN: Final = 60


def shown(value: object) -> str:
    """A value for a message."""
    match value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case _:
            return repr(str(value)[:_SHOWN])


def _switch(value: object) -> bool | None:
    if isinstance(value, Plain):
        if value in _ON:
            return True
        if value in _OFF:
            return False
    if value is None:
        return None
    raise ValueError(f"it must be true or false, not {shown(value)}")


def _whole(value: object, *, highest: int) -> int | None:
    if value is None:
        return None
    if not isinstance(value, Plain) or not _WHOLE.fullmatch(value) or int(value) > highest:
        raise ValueError(f"it must be a whole number from 0 to {highest}, not {shown(value)}")
    return int(value)


def _cpus(value: object) -> int | None:
    """0 leaves it to the agent, as on the command line."""
    return _whole(value, highest=2**32 - 1) or None


def _port(value: object) -> int | None:
    number = _whole(value, highest=MAX_PORT)
    if number == 0:
        raise ValueError("a port must be from 1 to 65535")
    return number


def _protocol(value: object) -> int | None:
    """An IP protocol's number (compat CFG-09; stricter: another one can't be opened, EGR-06)."""
    number = _whole(value, highest=255)
    if number not in {None, 0, 6, 17}:
        raise ValueError("a protocol must be 0 (both), 6 (TCP) or 17 (UDP)")
    return number


def _size(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, str):
        return _ours(lambda: mib_of(str(value))) or None
    raise ValueError(f"it must be a size such as 512m or 4g, not {shown(value)}")


def _duration(value: object) -> float | None:
    """Go's durations, such as 1h30m (compat CFG-11); 0 is the default."""
    if value is None:
        return None
    text = str(value) if isinstance(value, str) else ""
    if text.startswith("-") and _DURATION.fullmatch(text[1:]):
        raise ValueError(f"a duration must be non-negative, not {shown(value)}")
    if text == "0":
        return None
    if len(text) > _DURATION_CHARACTERS or not _DURATION.fullmatch(text):
        raise ValueError(f"it must be a duration such as 90s or 1h30m, not {shown(value)}")
    parts = _DURATION_PART.findall(text)
    return sum(float(number) * _SECONDS[unit] for number, unit in parts) or None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        if value is not None and "\0" in value:
            raise ValueError("it has a NUL character")
        return None if value is None else str(value)
    raise ValueError(f"it must be a text, not {shown(value)}")


def _optional_text(value: object) -> str | None:
    """An empty text is as good as none: so a key can be written down without a value."""
    return _text(value) or None


def _image(value: object) -> str | None:
    text = _optional_text(value)
    if text is not None:
        _ours(lambda: parse_reference(text))
    return text


def _pattern(value: object) -> str:
    text = _text(value) or ""
    _ours(lambda: validate_patterns((text,)))
    return text


def _host_name(value: object) -> str:
    text = _text(value) or ""
    _ours(lambda: host_rule(text))
    return text


def _ours(check: Callable[[], _T]) -> _T:
    """A rule of the domain, as pydantic wants to hear of it."""
    try:
        return check()
    except BboxError as error:
        raise ValueError(f"{error.cause.removesuffix('.')} ({error.remediation})") from error


def choice(kind: type[StrEnum]) -> Callable[[object], StrEnum | None]:
    """One of a closed set; an empty text is not set."""

    def read(value: object) -> StrEnum | None:
        text = _optional_text(value)
        if text is None:
            return None
        try:
            return kind(text)
        except ValueError as error:
            near = difflib.get_close_matches(text.lower(), list(kind), n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            values = ", ".join(kind)
            raise ValueError(f"{shown(text)} is none of: {values}{meant}") from error

    return read


def _resolution(value: object) -> StrEnum | None:
    """Compared without regard to case (compat CFG-19)."""
    text = _optional_text(value)
    return choice(ConflictResolution)(text and text.lower())


def any_value(value: object) -> object:
    """A value of a file of somebody else's: YAML 1.2's core schema, within limits."""
    match value:
        case dict():
            return {key: any_value(one) for key, one in value.items()}
        case list():
            return [any_value(one) for one in value]
        case Plain():
            return _resolved(value)
        case _:
            return value


def _resolved(text: Plain) -> object:
    if text in {"true", "false"}:
        return text == "true"
    if not _NUMBER.fullmatch(text):
        return str(text)
    return float(text) if {".", "e", "E"} & set(text) else int(text)


def _names(kind: type[StrEnum]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": [member.value for member in kind]})


_SIZE_SCHEMA: Final = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": "^ *[0-9]+ *([mMgG]([iI][bB]?)?)? *$"},
        ]
    }
)
_TEXT_SCHEMA: Final = WithJsonSchema({"type": "string"})

Switch = Annotated[bool | None, BeforeValidator(_switch), WithJsonSchema({"type": "boolean"})]
Cpus = Annotated[
    int | None, BeforeValidator(_cpus), WithJsonSchema({"type": "integer", "minimum": 0})
]
Port = Annotated[
    int,
    BeforeValidator(_port),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_PORT}),
]
Protocol = Annotated[
    int | None, BeforeValidator(_protocol), WithJsonSchema({"type": "integer", "enum": [0, 6, 17]})
]
Size = Annotated[Mebibytes | None, BeforeValidator(_size), _SIZE_SCHEMA]
Duration = Annotated[
    Seconds | None,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": "^([0-9.]+(ns|us|ms|s|m|h))+$|^0$"}),
]
Text = Annotated[str, BeforeValidator(_text), _TEXT_SCHEMA]
OptionalText = Annotated[str | None, BeforeValidator(_optional_text), _TEXT_SCHEMA]
Image = Annotated[str | None, BeforeValidator(_image), _TEXT_SCHEMA]
HostName = Annotated[str, BeforeValidator(_host_name), _TEXT_SCHEMA]
Pattern = Annotated[str, BeforeValidator(_pattern), _TEXT_SCHEMA]
AnyValue = Annotated[object, BeforeValidator(any_value)]
Mode = Annotated[
    WorkspaceMode | None, BeforeValidator(choice(WorkspaceMode)), _names(WorkspaceMode)
]
Profile = Annotated[
    EgressProfile | None, BeforeValidator(choice(EgressProfile)), _names(EgressProfile)
]
Pull = Annotated[PullPolicy | None, BeforeValidator(choice(PullPolicy)), _names(PullPolicy)]
Authz = Annotated[AuthzProfile | None, BeforeValidator(choice(AuthzProfile)), _names(AuthzProfile)]
Resolution = Annotated[
    ConflictResolution | None, BeforeValidator(_resolution), _names(ConflictResolution)
]
Category = Annotated[
    SettingsCategory | None, BeforeValidator(choice(SettingsCategory)), _names(SettingsCategory)
]
Kind = Annotated[SettingsKind | None, BeforeValidator(choice(SettingsKind)), _names(SettingsKind)]
FileFormat = Annotated[
    SettingsFormat | None, BeforeValidator(choice(SettingsFormat)), _names(SettingsFormat)
]
AgentMcpMode = Annotated[McpMode | None, BeforeValidator(choice(McpMode)), _names(McpMode)]
