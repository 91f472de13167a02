# SPDX-License-Identifier: Apache-2.0
"""Snapshots and change sets of 50,000 files, beside what one would do without them.

`python -m bench.snapshot [FILES]`: a second, unchanged snapshot beside `cp -a`; the change set of
20 changed files beside SHA-256 of both trees. Medians of rounds that take turns.
"""

import asyncio
import hashlib
import os
import random
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bbox_server.domain.excludes import is_secret
from bbox_server.domain.sensitive import classify
from bbox_server.domain.snapshot import Snapshot
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.manifest import read
from bbox_server.infra.workspace.overlay import DiskOverlay, OverlayPlace
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace
from bbox_server.infra.workspace.taking import uncollected
from bbox_server.infra.workspace.walk import WorkspaceWalk

FILES: Final = 50_000
ROUNDS: Final = 5
FILES_IN_A_DIRECTORY: Final = 40
MODIFIED, ADDED, DELETED = 10, 5, 5
# The files are older than the first snapshot, as those of a project are (racy-clean rule).
SETTLED_S: Final = 2.5


def make_tree(root: Path, files: int) -> list[str]:
    """A source tree: many small files, up to 17 KB."""
    chance = random.Random(1)  # noqa: S311 - the same tree each time
    words = [f"w{number}" for number in range(500)]
    names: list[str] = []
    for number in range(files):
        directory = f"p{number // 4000}/d{number // FILES_IN_A_DIRECTORY}"
        if number % FILES_IN_A_DIRECTORY == 0:
            (root / directory).mkdir(parents=True)
        lines = (
            " ".join(chance.choices(words, k=7)) for _ in range(chance.choice([5, 20, 60, 400]))
        )
        names.append(f"{directory}/f{number}.py")
        (root / names[-1]).write_text("\n".join(lines))
    return names


def hash_tree(root: Path) -> int:
    """Hash every file; give their number."""
    count = 0
    for directory, _, names in os.walk(root):
        for name in names:
            with Path(directory, name).open("rb", buffering=0) as file:
                hashlib.file_digest(file, "sha256")
            count += 1
    return count


def change(upper: Path, names: list[str]) -> None:
    """What a guest's overlayfs makes of 20 changes."""
    for name in names[: MODIFIED + ADDED]:
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("changed\n" * 100)
    for name in names[MODIFIED : MODIFIED + ADDED]:
        (upper / name).rename(upper / f"{name}.new")
    for name in names[-DELETED:]:
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mknod(path, stat.S_IFCHR, 0)


class Ground:
    """A tree, its snapshots and an overlay."""

    def __init__(self, directory: Path, files: int) -> None:
        self.directory = directory
        self.tree = directory / "tree"
        self.names = make_tree(self.tree, files)
        self.upper = directory / "upper"
        self.snapshots = DiskSnapshots(
            place=SnapshotPlace(root=directory / "baselines"),
            excludes=DiskExcludes(),
            git=GitCommand(),
        )

    async def take(self) -> Snapshot:
        return await self.snapshots.take(HostPath(str(self.tree)), ())

    def copy(self) -> None:
        subprocess.run(("cp", "-a", str(self.tree), str(self.directory / "copy")), check=True)

    def walk(self, snapshot: Snapshot) -> float:
        """Seconds that the walk alone takes."""
        known = read(WorkspaceStore.manifest_of(Path(snapshot.root)))
        matcher = DiskExcludes().snapshot_matcher(known.rules)
        root_fd = os.open(self.tree, os.O_RDONLY)
        with uncollected():
            started = time.perf_counter()
            WorkspaceWalk(known=known.tree).run(root_fd, matcher)
            seconds = time.perf_counter() - started
        os.close(root_fd)
        return seconds

    def overlay(self, snapshot: Snapshot) -> DiskOverlay:
        return DiskOverlay(
            place=OverlayPlace(generation=snapshot.root, upper=HostPath(str(self.upper))),
            excludes=DiskExcludes(),
            git=GitCommand(),
            classify=lambda path: classify(path, is_secret=is_secret),
        )


async def seconds_of(action: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await action()
    return time.perf_counter() - started


async def measure_snapshots(ground: Ground) -> Snapshot:
    first = await seconds_of(ground.take)
    copies, snapshots, walks = [], [], []
    snapshot = await ground.take()
    for _ in range(ROUNDS):
        copies.append(await seconds_of(lambda: asyncio.to_thread(ground.copy)))
        await asyncio.to_thread(shutil.rmtree, ground.directory / "copy")
        snapshots.append(await seconds_of(ground.take))
        walks.append(ground.walk(snapshot))
    copy, again = statistics.median(copies), statistics.median(snapshots)
    print(f"first snapshot                     {first:8.3f} s")
    print(f"cp -a                              {copy:8.3f} s")
    print(
        f"second, unchanged snapshot         {again:8.3f} s   {copy / again:5.1f} x faster (>= 6)"
    )
    print(f"  of that, the walk                {statistics.median(walks):8.3f} s")
    return snapshot


async def measure_changes(ground: Ground, snapshot: Snapshot) -> None:
    ground.overlay(snapshot).close()
    change(ground.upper / "u", ground.names)
    hashes, lists, again = [], [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for root in (ground.tree, Path(snapshot.root)):
            hash_tree(root)
        hashes.append(time.perf_counter() - started)
        overlay = ground.overlay(snapshot)
        lists.append(await seconds_of(overlay.changes))
        again.append(await seconds_of(overlay.changes))
        found = (await overlay.changes()).changes
        overlay.close()
        assert len(found) == MODIFIED + ADDED + DELETED, len(found)  # noqa: S101 - a measure
    double, listed = statistics.median(hashes), statistics.median(lists)
    print(f"SHA-256 of both trees              {double:8.3f} s")
    print(
        f"change set of 20 files             {listed:8.3f} s   "
        f"{double / listed:5.1f} x faster (>= 12)"
    )
    print(f"the same, asked again              {statistics.median(again):8.3f} s")


async def main(files: int) -> None:
    print(f"{files} files, median of {ROUNDS}")
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as directory:
        ground = await asyncio.to_thread(Ground, Path(directory), files)
        await asyncio.sleep(SETTLED_S)
        snapshot = await measure_snapshots(ground)
        await measure_changes(ground, snapshot)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else FILES))
