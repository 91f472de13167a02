# SPDX-License-Identifier: Apache-2.0
"""Trees as the vectors write them, on a disk: a workspace, and the agent's overlay over it."""

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bbox_server.domain.change import Change
from tests.infra.workspace.ground import Ground

Files = Mapping[str, object]


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bbox-vectors-") as name:
        yield Path(name)


def lay_out(root: Path, files: Files) -> None:
    """`name: content`, `name: {content, mode}`, `name: {symlink}`, `name/: null`."""
    for name, what in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match what:
            case {"symlink": target}:
                path.symlink_to(target)
            case None:
                path.mkdir(exist_ok=True)
            case _:
                content, mode = (what, None) if isinstance(what, str) else _parts(what)
                path.write_text(content)
                path.chmod(int(mode, 8) if mode else 0o644)


def listed(
    original: Files,
    snapshot: Files,
    excludes: tuple[str, ...] = (),
    meanwhile: Files | None = None,
) -> tuple[Change, ...]:
    """What ours lists, of what can be flushed, when the agent made one tree of the other."""
    return asyncio.run(_listed(original, snapshot, excludes, meanwhile or {}))


async def _listed(
    original: Files, snapshot: Files, excludes: tuple[str, ...], meanwhile: Files
) -> tuple[Change, ...]:
    with directory() as root:
        ground = Ground(root)
        lay_out(ground.workspace, original)
        overlay = ground.open(await ground.take(*excludes))
        write_upper(ground.u, original, snapshot)
        lay_out(ground.workspace, meanwhile)
        changes = (await overlay.changes()).flushable
        overlay.close()
        return changes


def write_upper(upper: Path, original: Files, snapshot: Files) -> None:
    """What the guest's overlayfs has after the agent made one of the other."""
    for name in original:
        if name not in snapshot and not any(other.startswith(f"{name}/") for other in snapshot):
            path = upper / name
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mknod(path, stat.S_IFCHR, 0)
    lay_out(upper, {name: what for name, what in snapshot.items() if original.get(name) != what})


def read_back(root: Path) -> dict[str, str]:
    """All files below a directory."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def empty(root: Path) -> None:
    """Remove all in a directory."""
    for path in root.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _parts(what: object) -> tuple[str, str | None]:
    match what:
        case {"content": str(content), "mode": str(mode)}:
            return content, mode
        case _:
            msg = f"not a file: {what!r}"
            raise ValueError(msg)
