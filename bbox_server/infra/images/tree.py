# SPDX-License-Identifier: Apache-2.0
"""What the layers of an image amount to: one tree (image-spec, layer.md, Applying Changesets)."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from bbox_server.infra.images.entry import DEPTH_LIMIT, Entry, EntryKind, EntryPath
from bbox_server.infra.images.faults import corrupt

_WHITEOUT: Final = b".wh."
_OPAQUE: Final = b".wh..wh..opq"

# Linux follows 40 links in one path (path_resolution(7)).
_LINK_LIMIT: Final = 40

_IMPLICIT: Final = Entry(path=(), kind=EntryKind.DIRECTORY)

Origin = tuple[int, int]
"""Where a file's content is: the layer's place, and the entry's place in that layer."""


@dataclass(slots=True)
class Node:
    """A directory, a file or a link of the tree.

    Attributes:
        entry: Without its path.
        layer: Which layer said so last.
        origin: Of a file.
        children: None for all but directories.
        pruned: The last layer that hid what lower layers have below; nothing of theirs comes back.
    """

    entry: Entry
    layer: int
    origin: Origin | None = None
    children: "dict[bytes, Node] | None" = None
    pruned: int = 0


@dataclass(slots=True)
class _Walk:
    """A path on its way through the tree."""

    chain: list[Node]
    parts: list[bytes]
    links: int = 0


@dataclass(slots=True)
class MergedTree:
    """Takes the entries of all layers, the lowest layer first, in their order."""

    _root: Node = field(default_factory=lambda: _directory(_IMPLICIT, 0))

    def add(self, entry: Entry, origin: Origin) -> None:
        """Apply one entry. Raises: image.corrupt."""
        layer = origin[0]
        if not entry.path:
            self._set_root(entry, layer)
            return
        name = entry.path[-1]
        parent = self._find(entry.path[:-1], layer)
        if name.startswith(_WHITEOUT):
            _white_out(parent, name, layer)
        else:
            self._put(_children(parent), name, entry, origin)

    def walk(self) -> Iterator[tuple[bytes, Node]]:
        """All nodes by their paths, each directory before what is in it, ordered by name."""
        waiting = [(b"", self._root)]
        while waiting:
            path, node = waiting.pop()
            yield path, node
            prefix = path + b"/" if path else b""
            below = sorted((node.children or {}).items(), reverse=True)
            waiting += [(prefix + name, child) for name, child in below]

    def _set_root(self, entry: Entry, layer: int) -> None:
        if entry.kind is not EntryKind.DIRECTORY:
            raise corrupt("A layer has a root that is no directory.")
        self._root.entry, self._root.layer = entry, layer

    def _put(
        self, siblings: "dict[bytes, Node]", name: bytes, entry: Entry, origin: Origin
    ) -> None:
        layer = origin[0]
        kept = replace(entry, path=(), link=())
        match entry.kind:
            case EntryKind.DIRECTORY:
                _put_directory(siblings, name, kept, layer)
            case EntryKind.HARDLINK:
                siblings[name] = self._linked(entry, layer)
            case EntryKind.SPECIAL:
                siblings.pop(name, None)
            case EntryKind.FILE:
                siblings[name] = Node(entry=kept, layer=layer, origin=origin)
            case EntryKind.SYMLINK:
                siblings[name] = Node(entry=kept, layer=layer)

    def _linked(self, entry: Entry, layer: int) -> Node:
        target = _children(self._find(entry.link[:-1], layer)).get(entry.link[-1])
        if target is None or target.children is not None:
            raise corrupt(f"A layer has a hard link to what is no file: {entry.link[-1]!r}.")
        return Node(entry=target.entry, layer=layer, origin=target.origin)

    def _find(self, path: EntryPath, layer: int) -> Node:
        """The directory of a path, made when missing. Links on the way stay in the image."""
        walk = _Walk(chain=[self._root], parts=list(reversed(path)))
        while walk.parts:
            part = walk.parts.pop()
            if part != b"..":
                self._step(walk, part, layer)
            elif len(walk.chain) > 1:
                walk.chain.pop()
        return walk.chain[-1]

    def _step(self, walk: _Walk, part: bytes, layer: int) -> None:
        siblings = _children(walk.chain[-1])
        node = siblings.get(part)
        if node is None:
            node = siblings[part] = _directory(_IMPLICIT, layer)
        if node.entry.kind is EntryKind.SYMLINK:
            self._follow(walk, node.entry.target)
            return
        walk.chain.append(node)
        if len(walk.chain) > DEPTH_LIMIT:
            raise corrupt(f"The image has more than {DEPTH_LIMIT} directories in each other.")

    def _follow(self, walk: _Walk, target: bytes) -> None:
        walk.links += 1
        if walk.links > _LINK_LIMIT:
            raise corrupt(f"A layer has an entry below more than {_LINK_LIMIT} links.")
        if target.startswith(b"/"):
            walk.chain = [self._root]
        walk.parts += reversed([word for word in target.split(b"/") if word not in {b"", b"."}])


def _directory(entry: Entry, layer: int) -> Node:
    return Node(entry=entry, layer=layer, children={})


def _children(node: Node) -> "dict[bytes, Node]":
    if node.children is None:
        raise corrupt("A layer has an entry below a file.")
    return node.children


def _put_directory(siblings: "dict[bytes, Node]", name: bytes, entry: Entry, layer: int) -> None:
    node = siblings.get(name)
    if node is None or node.children is None:
        siblings[name] = _directory(entry, layer)
    else:
        node.entry, node.layer = entry, layer


def _white_out(parent: Node, name: bytes, layer: int) -> None:
    if name == _OPAQUE:
        _prune(parent, layer)
        return
    # `.wh..wh.` begins what AUFS kept for itself; the bare prefix hides nothing.
    hidden = name.removeprefix(_WHITEOUT)
    siblings = _children(parent)
    node = siblings.get(hidden)
    if node is not None and not hidden.startswith(_WHITEOUT) and not _keeps(node, layer):
        del siblings[hidden]


def _prune(directory: Node, layer: int) -> None:
    """Take out what lower layers have in a directory, at most once a layer."""
    siblings = _children(directory)
    if directory.pruned == layer:
        return
    directory.pruned = layer
    for name in [name for name, node in siblings.items() if not _keeps(node, layer)]:
        del siblings[name]


def _keeps(node: Node, layer: int) -> bool:
    """Take what lower layers have out of a node; whether anything is left of it."""
    own = node.layer == layer
    if node.children is None:
        return own
    _prune(node, layer)
    if not own and node.children:
        node.entry, node.layer = _IMPLICIT, layer
    return own or bool(node.children)
