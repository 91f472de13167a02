# SPDX-License-Identifier: Apache-2.0
"""The keys of config files: a page for people, and a JSON schema for editors."""

import json
from typing import Any, Final

from bbox_server.domain.config.problem import KeyPath
from bbox_server.infra.config.schema import Schema, all_keys, config_schema, resolved

HEAD: Final = """\
# Keys of the configuration

Generated from `bbox_server/infra/config/model.py` by `make docs`; how the files work together is
in [the guide](configuration.md). Editors check them with
[the schema](../../vscode-extension/schemas/broodbox.schema.json), which the extension gives to the
YAML extension.

| key | value | meaning |
|---|---|---|"""


def keys_page() -> str:
    """Every key with its meaning, as Markdown."""
    rows = [
        f"| `{_name(path)}` | {_value(schema)} | {schema.get('description', '')} |"
        for path, schema in all_keys()
    ]
    return "\n".join([HEAD, *rows, ""])


def schema_file() -> str:
    """The schema as JSON; names of definitions are no part of it that anyone refers to."""
    return json.dumps(config_schema(), indent=2) + "\n"


def _name(path: KeyPath) -> str:
    text = ""
    for part in path:
        text += "[]" if part == "*" and not text.endswith("agents") else f".{part}"
    return (
        text.removeprefix(".")
        .replace("agents.*", "agents.NAME")
        .replace("providers[]", "providers.ID")
        .replace("overrides[]", "overrides.NAME")
    )


def _value(schema: Schema) -> str:
    """What may stand there, in a word or two."""
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "anyOf" in schema:
        return "size"
    kind: Any = schema.get("type", "anything")
    if kind == "array":
        items: Schema = resolved(schema.get("items", {}))
        return f"list of {_value(items)}s" if items.get("type") != "object" else "list"
    if kind == "object":
        return "section" if schema.get("properties") else "mapping"
    return {"string": "text", "boolean": "true or false", "integer": "number"}.get(kind, str(kind))
