# SPDX-License-Identifier: Apache-2.0
"""Snapshots of one thing, answered in the words of the vectors."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final  # YAML: each case knows its own shape

from bbox_server.domain.snapshot import Snapshot
from tests.infra.workspace.ground import Ground, names
from tests.vectors.case import UnknownKindError
from tests.vectors.trees import directory, lay_out

NOBODY: Final = 65534
LINKS: Final = {
    "inside -> a (relative)": ("a", "recreated with same text"),
    "../outside": ("../outside", "recreated with same text"),
    "dangling inside": ("missing", "recreated"),
    "absolute path inside workspace": ("{root}/a", "recreated verbatim (dangling in guest)"),
}


async def answer(question: Mapping[str, Any]) -> object:
    with directory() as root:
        root.chmod(0o755)
        ground = Ground(root)
        match question:
            case {"tree": tree}:
                lay_out(ground.workspace, tree)
                return {"snapshot": sorted(names(await ground.take()))}
            case {"symlink": description}:
                return await _link(ground, description)
            case {"fifo": name}:
                os.mkfifo(ground.workspace / name)
                return _reported(await ground.take())
            case {"mode": mode}:
                ground.write("f", mode=int(mode, 8))
                return {"mode": _mode(Path((await ground.take()).root, "f"))}
            case {"unreadable_file": True}:
                return await _unreadable(ground)
            case {"empty_dir": name}:
                (ground.workspace / name).mkdir()
                return "created" if name in names(await ground.take()) else "left out"
            case _:
                raise UnknownKindError


async def _link(ground: Ground, description: str) -> str:
    target, words = LINKS[description]
    target = target.format(root=ground.workspace)
    ground.write("a")
    (ground.workspace / "link").symlink_to(target)
    link = Path((await ground.take()).root, "link")
    return words if _target(link) == target else "changed or left out"


async def _unreadable(ground: Ground) -> str:
    ground.write("f", mode=0)
    with _as_nobody(ground):
        return _reported(await ground.take())


@contextmanager
def _as_nobody(ground: Ground) -> Iterator[None]:
    """Root can read everything."""
    if os.geteuid() != 0:
        yield
        return
    for path in (ground.directory, ground.workspace):
        os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _reported(snapshot: Snapshot) -> str:
    return "left out and reported" if snapshot.report.skipped else "left out silently"


def _mode(path: Path) -> str:
    return f"0{path.stat().st_mode & 0o7777:o}"


def _target(path: Path) -> str | None:
    return str(path.readlink()) if path.is_symlink() else None
