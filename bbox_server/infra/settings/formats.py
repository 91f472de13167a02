# SPDX-License-Identifier: Apache-2.0
"""Settings files as fields, and fields as settings files (compat SET-04, SET-06)."""

import json
import tomllib
from collections.abc import Mapping
from typing import Final

import tomlkit
import yaml

from bbox_server.domain.fields import Fields
from bbox_server.domain.jsonc import strip_jsonc
from bbox_server.domain.settings import SettingsFormat

NODE_LIMIT: Final = 100_000
"""YAML's aliases make a small file a large value: nobody's settings have so many parts."""
DEPTH_LIMIT: Final = 64


class UnusableFileError(Exception):
    """The file can't be carried; the text says why."""


def parse(content: bytes, written_as: SettingsFormat) -> Fields:
    """The fields at a file's top; none of an empty file.

    Raises:
        UnusableFileError: It is not of that format, or no mapping.
    """
    try:
        value = _value(content.decode("utf-8-sig"), written_as)
    except (ValueError, yaml.YAMLError) as error:
        # Of YAML's messages the first line says what is wrong, the others quote the file.
        reason = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise UnusableFileError(
            f"it is no {written_as.upper()}{_place(error)}: {reason}"
        ) from error
    except RecursionError as error:
        raise UnusableFileError("its fields lie too deep in one another") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnusableFileError("there is no mapping at its top")
    _check_size(value)
    return value


def serialized(fields: Mapping[str, object], written_as: SettingsFormat) -> bytes:
    """The bytes of a file with these fields."""
    match written_as:
        case SettingsFormat.JSON | SettingsFormat.JSONC:
            return f"{json.dumps(fields, indent=2, sort_keys=True)}\n".encode()
        case SettingsFormat.TOML:
            return tomlkit.dumps(fields).encode()
        case SettingsFormat.YAML:
            return yaml.safe_dump(dict(fields)).encode()


def _value(text: str, written_as: SettingsFormat) -> object:
    match written_as:
        case SettingsFormat.JSON:
            return _json(text)
        case SettingsFormat.JSONC:
            return _json(strip_jsonc(text))
        case SettingsFormat.TOML:
            return tomllib.loads(text)
        case SettingsFormat.YAML:
            return yaml.safe_load(text)


def _json(text: str) -> object:
    return json.loads(text, parse_constant=_refuse_constant) if text.strip() else None


def _refuse_constant(name: str) -> object:
    msg = f"{name} is no number of JSON"
    raise ValueError(msg)


def _place(error: Exception) -> str:
    line = getattr(error, "lineno", None)
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        line = mark.line + 1
    return f" (line {line})" if line else ""


def _check_size(value: object) -> None:
    pending = [(value, 0)]
    count = 0
    while pending:
        each, depth = pending.pop()
        count += 1
        if count > NODE_LIMIT or depth > DEPTH_LIMIT:
            raise UnusableFileError("it has more fields than any settings have")
        if isinstance(each, dict):
            if not all(isinstance(name, str) for name in each):
                raise UnusableFileError("a name in it is no text")
            pending += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list):
            pending += [(inner, depth + 1) for inner in each]
