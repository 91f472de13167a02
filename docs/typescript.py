# SPDX-License-Identifier: Apache-2.0
"""The wire's models as TypeScript types, for vscode-extension/src/wire."""

import types
import typing
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from pydantic.fields import FieldInfo

from bbox_server.wire.lifecycle import PROTOCOL_VERSION, InitializeParams, InitializeResult
from bbox_server.wire.method import METHODS, NOTIFICATIONS
from bbox_server.wire.model import Message
from bbox_server.wire.session import FailureMessage

HEAD: Final = """\
// SPDX-License-Identifier: Apache-2.0
// Generated from bbox_server/wire by `make docs`; do not edit.
"""
PLAIN: Final[dict[object, str]] = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}


def message_types() -> str:
    """Every message and enumeration that the table of methods reaches."""
    inputs = _reachable([method.params for method in METHODS] + [InitializeParams])
    outputs = _reachable(
        [
            *(method.result for method in METHODS),
            *(notification.params for notification in NOTIFICATIONS),
            InitializeResult,
            FailureMessage,
        ]
    )
    parts = [HEAD]
    for kind in sorted({*inputs, *outputs}, key=lambda kind: kind.__name__):
        if issubclass(kind, StrEnum):
            values = " | ".join(f'"{member.value}"' for member in kind)
            parts.append(_doc(kind) + f"export type {kind.__name__} = {values};\n")
        elif issubclass(kind, Message):
            parts.append(_doc(kind) + _interface(kind, is_input=kind in inputs))
    return "\n".join(parts)


def method_types() -> str:
    """The names of the methods and notifications with their messages."""
    names = {m.params.__name__ for m in METHODS} | {m.result.__name__ for m in METHODS}
    names |= {notification.params.__name__ for notification in NOTIFICATIONS}
    lines = [HEAD, "import type {"]
    lines += [f"  {name}," for name in sorted(names)]
    lines += ['} from "./messages.js";', "", f"export const PROTOCOL_VERSION = {PROTOCOL_VERSION};"]
    lines += ["", "/** Requests: params and result by method. */", "export interface Requests {"]
    for method in METHODS:
        pair = (
            f"readonly params: {method.params.__name__}; readonly result: {method.result.__name__}"
        )
        lines.append(f'  readonly "{method.name}": {{ {pair} }};')
    lines += ["}", "", "/** What the server tells unasked. */", "export interface Notifications {"]
    for notification in NOTIFICATIONS:
        lines.append(f'  readonly "{notification.name}": {notification.params.__name__};')
    return "\n".join([*lines, "}", ""])


def _reachable(kinds: Iterable[type]) -> set[type]:
    found: set[type] = set()
    waiting = list(kinds)
    while waiting:
        kind = waiting.pop()
        if kind in found:
            continue
        found.add(kind)
        if issubclass(kind, Message):
            for field in kind.model_fields.values():
                waiting += _classes(field.annotation)
    return found


def _classes(annotation: object) -> list[type]:
    if isinstance(annotation, type) and issubclass(annotation, Message | StrEnum):
        return [annotation]
    return [kind for part in typing.get_args(annotation) for kind in _classes(part)]


def _interface(kind: type[Message], *, is_input: bool) -> str:
    fields = [
        f"  readonly {field.alias or name}{'?' if _is_optional(field, is_input=is_input) else ''}: "
        f"{_type(_without_none(field.annotation))};"
        for name, field in kind.model_fields.items()
    ]
    if not fields:
        return f"export type {kind.__name__} = Readonly<Record<string, never>>;\n"
    return "\n".join([f"export interface {kind.__name__} {{", *fields, "}", ""])


def _is_optional(field: FieldInfo, *, is_input: bool) -> bool:
    if field.is_required():
        return False
    return is_input or field.default is None


def _without_none(annotation: object) -> object:
    if typing.get_origin(annotation) in {types.UnionType, typing.Union}:
        kept = tuple(part for part in typing.get_args(annotation) if part is not type(None))
        return kept[0] if len(kept) == 1 else typing.Union[kept]  # noqa: UP007 (built at run time)
    return annotation


def _type(annotation: object) -> str:
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(parts[0])
    if origin is tuple:
        return f"readonly {_type(parts[0])}[]"
    if origin is dict:
        return f"Readonly<Record<string, {_type(parts[1])}>>"
    if origin in {types.UnionType, typing.Union}:
        return " | ".join(dict.fromkeys(_type(part) for part in parts))
    if isinstance(annotation, type):
        return annotation.__name__
    message = f"no TypeScript for {annotation!r}"
    raise TypeError(message)


def _doc(kind: type) -> str:
    text = (kind.__doc__ or "").strip().replace("*/", "* /")
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) == 1:
        return f"/** {lines[0]} */\n"
    return "\n".join(["/**", *(f" * {line}".rstrip() for line in lines), " */", ""])
