# SPDX-License-Identifier: Apache-2.0
"""A config file's bytes as values; everything that is wrong with them is found at once."""

from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bbox_server.domain.config.layer import ConfigLayer
from bbox_server.domain.config.problem import (
    Finding,
    FindingKind,
    KeyPath,
    Layer,
    Origin,
    Position,
)
from bbox_server.domain.config.sections import Config
from bbox_server.domain.workspace import digest_of
from bbox_server.infra.config.model import ConfigModel
from bbox_server.infra.config.schema import suggestion
from bbox_server.infra.config.translate import config_of
from bbox_server.infra.config.tree import (
    Node,
    Plain,
    TreeError,
    plain_value,
    positions,
    read_tree,
)

MESSAGES: Final = {
    "dict_type": "it must be a mapping of keys",
    "missing": "it is missing",
    "model_attributes_type": "it must be a mapping of keys",
    "model_type": "it must be a mapping of keys",
    "string_type": "it must be a text",
    "tuple_type": "it must be a list",
}
# What an unreadable value of a workspace stands for: the strict end (P-26; compat CFG-24).
STRICT_END: Final[dict[KeyPath, str]] = {("workspace", "mode"): "snapshot"}
FAULTS_SHOWN: Final = 100
ONE_DOCUMENT: Final = "only the first document of the file is read"


def decode_config(content: bytes, *, layer: Layer, file: str) -> ConfigLayer:
    """The values of a file.

    What is wrong is left out, and is among the findings; whether that is fatal is the caller's.
    """
    decoding = _Decoding(layer, file)
    config, tree = decoding.read(content)
    return ConfigLayer(
        config=config,
        layer=layer,
        file=file,
        positions=dict(positions(tree)) if tree else {},
        findings=tuple(sorted(decoding.findings, key=_place)),
        digest=digest_of(content),
    )


def _place(finding: Finding) -> Position:
    return finding.origin.position or Position(line=0, column=0)


class _Decoding:
    """One file."""

    def __init__(self, layer: Layer, file: str) -> None:
        self.findings: list[Finding] = []
        self._layer = layer
        self._file = file

    def read(self, content: bytes) -> tuple[Config, Node | None]:
        try:
            tree, has_more = read_tree(content)
            if has_more:
                self._find((), ONE_DOCUMENT, None, FindingKind.UNUSED)
            if tree is None or (isinstance(tree.value, Plain) and tree.value.is_null):
                return Config(), None
            return self._decode(tree), tree
        except TreeError as error:
            self._find((), error.text, error.position)
            return Config(), None

    def _decode(self, tree: Node) -> Config:
        """Validate, leave out what is wrong, and so on, until the rest is right."""
        while True:
            try:
                model = ConfigModel.model_validate(plain_value(tree))
            except ValidationError as error:
                details = error.errors(include_url=False)
            else:
                return self._translated(model, tree)
            for detail in details[:FAULTS_SHOWN]:
                self._report(tree, detail)
            if len(details) > FAULTS_SHOWN:
                self._find((), f"{len(details) - FAULTS_SHOWN} more faults", None)
            if not isinstance(tree.value, dict):
                return Config()
            for path in sorted({_to_leave_out(detail) for detail in details}, key=_last_first):
                self._leave_out(tree, path)

    def _translated(self, model: ConfigModel, tree: Node) -> Config:
        config, faults = config_of(model)
        for fault in faults:
            self._find(fault.path, fault.text, tree.position_of(fault.path), FindingKind.UNUSED)
        for fault in config.mcp.config.faults() if config.mcp.config else ():
            path = ("mcp", "config", *fault.path)
            self._find(path, fault.text, tree.position_of(path))
        return config

    def _report(self, tree: Node, detail: ErrorDetails) -> None:
        path, kind = detail["loc"], detail["type"]
        if kind == "extra_forbidden":
            text = f"unknown field{suggestion(path)}"
        elif kind == "value_error":
            text = detail["msg"].removeprefix("Value error, ")
        else:
            text = MESSAGES.get(kind, detail["msg"])
        self._find(path, text, tree.position_of(path))

    def _leave_out(self, tree: Node, path: KeyPath) -> None:
        strict = STRICT_END.get(path)
        if strict is not None and _replace(tree, path, strict):
            return
        while path and not _remove(tree, path):
            path = path[:-1]
        if not path:
            tree.value = {}

    def _find(
        self,
        path: KeyPath,
        text: str,
        position: Position | None,
        kind: FindingKind = FindingKind.INVALID,
    ) -> None:
        origin = Origin(layer=self._layer, file=self._file, position=position)
        self.findings.append(Finding(kind=kind, path=path, text=text, origin=origin))


def _to_leave_out(detail: ErrorDetails) -> KeyPath:
    """The value with the fault. Of a list the whole item: half a host is another host.

    So is half a provider, and a key would go to it.
    """
    path = detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]
    if path[:1] == ("agents",) and path[2:3] == ("providers",):
        return path[:4]
    item = next((end for end, part in enumerate(path, 1) if isinstance(part, int)), len(path))
    return path[:item]


def _last_first(path: KeyPath) -> tuple[tuple[bool, int, str], ...]:
    """Items of a list from its end, so that the places of the others stay."""
    return tuple((True, -part, "") if isinstance(part, int) else (False, 0, part) for part in path)


def _parent(tree: Node, path: KeyPath) -> Node | None:
    way = [tree, *(node for node, _ in tree.at(path[:-1]))]
    return way[-1] if len(way) == len(path) else None


def _remove(tree: Node, path: KeyPath) -> bool:
    parent = _parent(tree, path)
    match parent, path[-1]:
        case Node(value=dict() as entries), str() as key if key in entries:
            del entries[key]
        case Node(value=list() as items), int() as number if number < len(items):
            del items[number]
        case _:
            return False
    return True


def _replace(tree: Node, path: KeyPath, text: str) -> bool:
    parent = _parent(tree, path)
    match parent, path[-1]:
        case Node(value=dict() as entries), str() as key if key in entries:
            entries[key] = Node(position=entries[key].position, value=text)
            return True
        case _:
            return False
