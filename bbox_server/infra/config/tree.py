# SPDX-License-Identifier: Apache-2.0
"""A YAML document as a tree that knows where everything stands.

Built from the parser's events and not by PyYAML's own composer: that one recurses as deep as the
file says, reads `no` as false and 1:30 as ninety, and forgets positions. Scalars stay text here;
the field that takes one decides what it means.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml
from typing_extensions import override

from bbox_server.domain.config.problem import KeyPath, Position

DEPTH_LIMIT: Final = 32
"""The deepest key of a config is at 9; `merge` of an injected file may go on from there."""

NODE_LIMIT: Final = 20_000
"""Values in a document, and what its aliases may blow it up to: half a second's work."""

_MERGE: Final = "<<"
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
# The C parser, where PyYAML has it, is about ten times as fast; both give the same events.
_LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class TreeError(Exception):
    """The text is no document that a config can be read from."""

    def __init__(self, text: str, position: Position | None) -> None:
        super().__init__(text)
        self.text = text
        self.position = position


class Plain(str):
    """A scalar without quotes: perhaps a number, a switch or nothing."""

    __slots__ = ()

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing."""
        return self in {"", "~", "null", "Null", "NULL"}

    @override
    def __repr__(self) -> str:
        return str.__str__(self)


Value = str | dict[str, "Node"] | list["Node"]


@dataclass(slots=True, kw_only=True)
class Node:
    """A scalar, a mapping or a list."""

    position: Position
    value: Value
    keys: dict[str, Position] = field(default_factory=dict)

    def at(self, path: KeyPath) -> Iterator[tuple["Node", Position]]:
        """The nodes on a way down, with where their keys stand; it may end early."""
        node = self
        for part in path:
            match node.value, part:
                case dict() as entries, str() if part in entries:
                    position, node = node.keys[part], entries[part]
                case list() as items, int() if part < len(items):
                    node = items[part]
                    position = node.position
                case _:
                    return
            yield node, position

    def position_of(self, path: KeyPath) -> Position:
        """Where a key stands, or the nearest thing above it."""
        return next(reversed([position for _, position in self.at(path)]), self.position)


@dataclass(slots=True)
class _Open:
    """A collection that is being read."""

    node: Node
    anchor: str | None
    key: str | None = None
    merged: list[Node] = field(default_factory=list)


def read_tree(content: bytes) -> tuple[Node | None, bool]:
    """The first document of a file, None for an empty one; and whether there are more.

    Raises:
        TreeError: No UTF-8, no YAML, or YAML that no config needs.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TreeError("the file is no UTF-8", None) from error
    try:
        return _Reading().read(text)
    except yaml.YAMLError as error:
        raise TreeError(f"no valid YAML: {_problem(error)}", _mark(error)) from error
    except ValueError as error:
        # PyYAML reads escapes such as "\UFFFFFFFF" with chr().
        raise TreeError(f"no valid YAML: {error}", None) from error


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)


def _mark(error: yaml.YAMLError) -> Position | None:
    mark = getattr(error, "problem_mark", None)
    return None if mark is None else Position(line=mark.line + 1, column=mark.column + 1)


class _Reading:
    """One pass over the events; collections that are open are a stack."""

    def __init__(self) -> None:
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None
        self._count = 0

    def read(self, text: str) -> tuple[Node | None, bool]:
        documents = 0
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    return self._root, True
            self._take(event)
        return self._root, False

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._put(_scalar(event), event.anchor)
            case yaml.MappingStartEvent():
                self._open(event, {})
            case yaml.SequenceStartEvent():
                self._open(event, [])
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                closed = self._stack.pop()
                _merge_in(closed)
                self._put(closed.node, closed.anchor)
            case yaml.AliasEvent():
                self._put(self._alias(event), None)
            case _:
                pass

    def _open(self, event: yaml.CollectionStartEvent, value: Value) -> None:
        position = _at(event)
        if event.tag is not None:
            raise TreeError(f"the tag {event.tag[:40]!r} has no meaning here", position)
        if len(self._stack) >= DEPTH_LIMIT:
            raise TreeError(f"it is nested deeper than {DEPTH_LIMIT} levels", position)
        self._stack.append(_Open(Node(position=position, value=value), event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> Node:
        name = event.anchor or ""
        node = self._anchors.get(name)
        if node is None:
            raise TreeError(f"the alias *{name[:40]} has no anchor before it", _at(event))
        return node

    def _put(self, node: Node, anchor: str | None) -> None:
        self._count += 1
        if self._count > NODE_LIMIT:
            raise TreeError(f"it has more than {NODE_LIMIT} keys and values", node.position)
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif top.key is None:
            top.key = _key(top.node, node)
        else:
            self._enter(top, top.key, node)
            top.key = None

    def _enter(self, top: _Open, key: str, node: Node) -> None:
        if key == _MERGE and isinstance(node.value, dict | list):
            top.merged.append(node)
        elif isinstance(top.node.value, dict):
            top.node.value[key] = node


def _scalar(event: yaml.ScalarEvent) -> Node:
    position = _at(event)
    if event.tag not in {None, "!", _TEXT_TAG}:
        raise TreeError(f"the tag {event.tag[:40]!r} has no meaning here", position)
    is_plain = event.tag is None and not event.style
    return Node(position=position, value=Plain(event.value) if is_plain else event.value)


def _key(mapping: Node, node: Node) -> str:
    if not isinstance(node.value, str):
        raise TreeError("a key must be a text", node.position)
    key = str(node.value)
    if key in mapping.keys:
        raise TreeError(f"the key {key[:40]!r} is there twice", node.position)
    mapping.keys[key] = node.position
    return key


def _merge_in(closed: _Open) -> None:
    """`<<: *anchor`: keys of another mapping, where the mapping itself has none (YAML 1.1)."""
    target = closed.node.value
    for source in closed.merged:
        parts = source.value if isinstance(source.value, list) else [source]
        for part in parts:
            if not isinstance(part.value, dict) or not isinstance(target, dict):
                raise TreeError("`<<` takes a mapping, or a list of them", part.position)
            for key, node in part.value.items():
                target.setdefault(key, node)
                closed.node.keys.setdefault(key, part.keys[key])
    closed.node.keys.pop(_MERGE, None)


def _at(event: yaml.Event) -> Position:
    mark = event.start_mark
    assert mark is not None  # noqa: S101 (only events that a program makes have none)
    return Position(line=mark.line + 1, column=mark.column + 1)


def plain_value(node: Node) -> object:
    """Dictionaries, lists and texts. Raises: TreeError where aliases make it too large."""
    return _plain(node, [NODE_LIMIT], 0)


def _plain(node: Node, left: list[int], depth: int) -> object:
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH_LIMIT:
        raise TreeError("its aliases make it too large", node.position)
    match node.value:
        case dict() as entries:
            return {key: _plain(entry, left, depth + 1) for key, entry in entries.items()}
        case list() as items:
            return [_plain(item, left, depth + 1) for item in items]
        case Plain() as text if text.is_null:
            return None
        case text:
            return text


def positions(node: Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Position]]:
    """Where every value of a tree stands."""
    match node.value:
        case dict() as entries:
            for key, entry in entries.items():
                yield (*path, key), node.keys[key]
                yield from positions(entry, (*path, key))
        case list() as items:
            for number, item in enumerate(items):
                yield (*path, number), item.position
                yield from positions(item, (*path, number))
        case _:
            pass
