# SPDX-License-Identifier: Apache-2.0
"""The JSON schema of config files, and how to find one's way in it."""

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from bbox_server.domain.config.problem import KeyPath, dotted
from bbox_server.infra.config.model import ConfigModel

Schema = Mapping[str, Any]  # JSON schema: each keyword has a shape of its own

ANY: Final = "*"
"""Stands in a path for any name of a mapping, or any place in a list."""


@cache
def config_schema() -> Schema:
    """Of a whole file (JSON Schema draft 7: the newest that editors' YAML support knows well)."""
    schema = _without_null(ConfigModel.model_json_schema(ref_template="#/definitions/{model}"))
    definitions = schema.pop("$defs")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **schema,
        "definitions": definitions,
    }


def _without_null(schema: Any) -> Any:  # noqa: ANN401 (JSON)
    """What pydantic says of an absent key: editors need not offer `null`, nor see titles."""
    match schema:
        case {"anyOf": [only, {"type": "null"}], **rest}:
            rest.pop("default", None)
            return _without_null({**only, **rest})
        case dict():
            return {
                key: _without_null(value)
                for key, value in schema.items()
                if not (key == "title" and isinstance(value, str))
                and not (key == "default" and value is None)
            }
        case list():
            return [_without_null(value) for value in schema]
        case _:
            return schema


def resolved(schema: Schema) -> Schema:
    """A part of the schema with its reference followed; what stands beside it counts more."""
    if "$ref" not in schema:
        return schema
    name = schema["$ref"].rpartition("/")[2]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**config_schema()["definitions"][name], **beside}


def below(schema: Schema, part: str | int) -> Schema | None:
    """The schema of what stands under a key, or in a list."""
    schema = resolved(schema)
    if isinstance(part, int):
        items: Schema | None = schema.get("items")
        return items
    found: Schema | None = schema.get("properties", {}).get(part)
    if found is None and isinstance(schema.get("additionalProperties"), dict):
        return dict(schema["additionalProperties"])
    return found


def keys_of(path: KeyPath) -> tuple[str, ...]:
    """The keys that a mapping may have."""
    schema: Schema | None = config_schema()
    for part in path:
        schema = schema and below(schema, part)
    return tuple(resolved(schema).get("properties", ())) if schema else ()


def all_keys(schema: Schema | None = None, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Schema]]:
    """Every key, from top to bottom; `ANY` stands for names that users choose."""
    schema = resolved(config_schema() if schema is None else schema)
    for name, part in schema.get("properties", {}).items():
        yield (*path, name), resolved(part)
        yield from all_keys(part, (*path, name))
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from all_keys(inner, (*path, ANY))


def suggestion(path: KeyPath) -> str:
    """What was perhaps meant by a key that there isn't, for the end of a message."""
    name = str(path[-1])
    near = difflib.get_close_matches(name.lower(), keys_of(path[:-1]), n=1)
    if near:
        return f"; did you mean {near[0]}?"
    elsewhere = [known for known, _ in all_keys() if known[-1] == name]
    if elsewhere:
        return f"; there is {dotted(elsewhere[0]).replace('.*', '.NAME')}"
    return ""
