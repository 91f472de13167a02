# SPDX-License-Identifier: Apache-2.0
"""Any two trees, and any way in which overlayfs may say the second over the first."""

import asyncio
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bbox_server.domain.change import Change, ChangeKind
from tests.infra.workspace.ground import Ground


@dataclass(frozen=True)
class File:
    content: bytes
    executable: bool


@dataclass(frozen=True)
class Link:
    target: str


Node = File | Link | dict[str, "Node"]
Tree = dict[str, Node]

NAMES = st.sampled_from(["a", "b", "c", "é", "x y", "n\nl"])
FILES = st.builds(File, st.sampled_from([b"", b"1\n", b"2\n", b"3\n"]), st.booleans())
LINKS = st.builds(Link, st.sampled_from(["a", "b", "../x"]))
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.dictionaries(NAMES, FILES | LINKS, max_size=3),
    lambda inner: st.dictionaries(NAMES, FILES | LINKS | inner, min_size=1, max_size=4),
    max_leaves=20,
)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Tree, Tree]:
    """A tree, and one that is made of it."""
    base = draw(TREES)
    return base, changed(draw, base)


def changed(draw: st.DrawFn, base: Tree) -> Tree:
    agent: Tree = {}
    for name, node in base.items():
        match draw(st.sampled_from(["keep", "drop", "other", "inner", "inner"])):
            case "keep":
                agent[name] = node
            case "other":
                agent[name] = draw(FILES | LINKS | TREES)
            case "inner":
                agent[name] = changed(draw, node) if isinstance(node, dict) else node
            case _:
                pass
    return agent | draw(st.dictionaries(NAMES, FILES | LINKS | TREES, max_size=1))


def write(tree: Tree, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for name, node in tree.items():
        write_node(node, directory / name)


def write_node(node: Node, path: Path) -> None:
    match node:
        case File():
            path.write_bytes(node.content)
            path.chmod(0o755 if node.executable else 0o644)
        case Link():
            path.symlink_to(node.target)
        case dict():
            write(node, path)


def overlay(base: Tree, agent: Tree, upper: Path, choose: st.DataObject) -> None:
    """Write what makes `agent` of `base`, with needless copies and opaque marks among it."""
    upper.mkdir(exist_ok=True)
    for name in base.keys() | agent.keys():
        was, now = base.get(name), agent.get(name)
        place = upper / name
        if now is None:
            os.mknod(place, stat.S_IFCHR, 0)
        elif isinstance(now, dict) and isinstance(was, dict):
            if choose.draw(st.booleans()):
                overlay(was, now, place, choose)
            elif was != now or choose.draw(st.booleans()):
                write(now, place)
                os.setxattr(place, "user.overlay.opaque", b"y")
        elif was != now or choose.draw(st.booleans()):
            write_node(now, place)


def flat(tree: Tree, prefix: str = "") -> dict[str, Node]:
    found: dict[str, Node] = {}
    for name, node in tree.items():
        found[prefix + name] = node
        if isinstance(node, dict):
            found |= flat(node, f"{prefix}{name}/")
    return found


def expected(base: Tree, agent: Tree) -> dict[str, ChangeKind]:
    before, after = flat(base), flat(agent)
    kinds = {path: kind(before.get(path), after.get(path)) for path in before.keys() | after.keys()}
    return {path: each for path, each in kinds.items() if each is not None}


def kind(was: Node | None, now: Node | None) -> ChangeKind | None:
    if now is None:
        return ChangeKind.DELETED
    if was is not None and type(was) is not type(now):
        return ChangeKind.TYPE_CHANGE
    match now:
        case dict():
            return ChangeKind.DIRECTORY if was is None and not now else None
        case Link():
            return None if was == now else ChangeKind.SYMLINK
        case File():
            return file_kind(was, now)


def file_kind(was: Node | None, now: File) -> ChangeKind | None:
    if not isinstance(was, File):
        return ChangeKind.ADDED
    if was.content != now.content:
        return ChangeKind.MODIFIED
    return ChangeKind.MODE if was.executable is not now.executable else None


def without_renames(changes: tuple[Change, ...]) -> dict[str, ChangeKind]:
    found: dict[str, ChangeKind] = {}
    for change in changes:
        if change.kind is ChangeKind.RENAMED:
            found[str(change.old_path)] = ChangeKind.DELETED
        found[str(change.path)] = (
            ChangeKind.ADDED if change.kind is ChangeKind.RENAMED else change.kind
        )
    return found


async def listed(ground: Ground, base: Tree, agent: Tree, choose: st.DataObject) -> object:
    write(base, ground.workspace)
    found = await ground.overlay()
    overlay(base, agent, ground.u, choose)
    try:
        return without_renames((await found.changes()).changes)
    finally:
        found.close()


@settings(max_examples=200, deadline=None)
@given(pairs(), st.data())
def test_the_list_says_how_the_agent_s_tree_differs(
    trees: tuple[Tree, Tree], choose: st.DataObject
) -> None:
    base, agent = trees
    with tempfile.TemporaryDirectory() as directory:
        ground = Ground(Path(directory))
        assert asyncio.run(listed(ground, base, agent, choose)) == expected(base, agent)
