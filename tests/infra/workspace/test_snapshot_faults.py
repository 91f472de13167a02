# SPDX-License-Identifier: Apache-2.0
"""Workspaces that can't be taken, and what is left when taking one is cut short."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import ExcludeRules, PatternLine
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.excludes.matcher import snapshot_matcher
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace import manifest
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.limits import TreeLimits
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace
from bbox_server.infra.workspace.walk import WorkspaceWalk
from tests.infra.workspace.ground import Ground, at, names

ROOT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0

TAKE = """
import asyncio, json, sys
from pathlib import Path
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace

workspace, baselines = sys.argv[1:]
snapshots = DiskSnapshots(
    place=SnapshotPlace(root=Path(baselines)), excludes=DiskExcludes(), git=GitCommand()
)
first = asyncio.run(snapshots.take(HostPath(workspace), ()))
second = asyncio.run(snapshots.take(HostPath(workspace), ()))
print(json.dumps({
    "root": first.root, "again": second.root, "skipped": second.report.skipped,
}))
"""


def leftovers(ground: Ground) -> list[str]:
    return sorted(
        path.name
        for path in ground.baselines.rglob("*")
        if path.suffix in {".part", ".trash"} and path.parent.parent == ground.baselines
    )


async def test_a_workspace_that_is_a_link_is_the_directory_that_it_names(ground: Ground) -> None:
    ground.write("a")
    first = await ground.take()
    link = ground.directory / "link"
    link.symlink_to(ground.workspace)
    assert (await ground.snapshots.take(HostPath(str(link)), ())).root == first.root


@pytest.mark.parametrize("kind", ["absent", "file", "root", "dangling"])
async def test_what_is_no_usable_directory_is_refused(ground: Ground, kind: str) -> None:
    ground.write("file")
    (ground.directory / "dangling").symlink_to("nowhere")
    path = {
        "absent": "/nowhere/at/all",
        "file": str(ground.workspace / "file"),
        "root": "/",
        "dangling": str(ground.directory / "dangling"),
    }[kind]
    with pytest.raises(BboxError) as caught:
        await ground.snapshots.take(HostPath(path), ())
    assert caught.value.code is ErrorCode.WORKSPACE_INVALID
    assert path in caught.value.cause


def take_as_nobody(ground: Ground) -> dict[str, object]:
    """Root may read everything: an ordinary user takes the snapshot."""
    ground.baselines.mkdir()
    if IS_ROOT:
        os.chown(ground.baselines, 64998, 64998)
        # pytest's own directories, one more of them with xdist
        for parent in (ground.directory, *ground.directory.parents):
            if parent.stat().st_mode & 0o777 == 0o700:
                parent.chmod(0o755)
    done = subprocess.run(
        (sys.executable, "-c", TAKE, str(ground.workspace), str(ground.baselines)),
        user=64998 if IS_ROOT else None,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        return {"error": done.stderr.decode()}
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_files_and_directories_that_can_not_be_read_are_skipped_and_named(ground: Ground) -> None:
    ground.write("a")
    ground.write("closed", mode=0o000)
    ground.write("shut/inner").parent.chmod(0o000)
    answer = take_as_nobody(ground)
    assert answer["skipped"] == ["shut/: Permission denied", "closed: Permission denied"]
    assert {path.name for path in Path(str(answer["root"])).iterdir()} == {"a", "shut"}


def test_what_could_not_be_read_makes_no_generation_each_time(ground: Ground) -> None:
    ground.write("closed", mode=0o000)
    answer = take_as_nobody(ground)
    assert answer["again"] == answer["root"]


def test_an_unreadable_workspace_is_refused(ground: Ground) -> None:
    ground.write("a")
    ground.workspace.chmod(0o000)
    assert "The workspace can't be used" in str(take_as_nobody(ground)["error"])


def test_more_files_than_the_limit_are_refused_but_excluded_ones_cost_nothing(
    ground: Ground,
) -> None:
    for number in range(30):
        ground.write(f"node_modules/{number}")
    walk = WorkspaceWalk(limits=TreeLimits(entries=10))
    root_fd = os.open(ground.workspace, os.O_RDONLY)
    matcher = snapshot_matcher(ExcludeRules())
    assert walk.run(root_fd, matcher).excluded == 1
    for number in range(30):
        ground.write(f"src/{number}")
    with pytest.raises(BboxError) as caught:
        walk.run(root_fd, matcher)
    os.close(root_fd)
    assert caught.value.code is ErrorCode.SNAPSHOT_LIMIT


def test_an_excluded_directory_is_not_opened(ground: Ground) -> None:
    for number in range(40):
        ground.write(f"a/node_modules/p{number}/index.js")
        ground.write(f".aws/p{number}/x")
        ground.write(f"mine/p{number}/x")
    ground.write("src/x")
    opened: list[int] = []
    walk = WorkspaceWalk(advance=opened.append)
    root_fd = os.open(ground.workspace, os.O_RDONLY)
    mine = (PatternLine(text="mine/"),)
    result = walk.run(root_fd, snapshot_matcher(ExcludeRules(extra_patterns=mine)))
    os.close(root_fd)
    assert len(opened) == len(["", "a", "src"])
    assert (result.excluded, result.secret) == (2, 1)


async def test_an_ignore_file_that_can_not_be_used_stops_the_run(ground: Ground) -> None:
    os.mkfifo(ground.workspace / ".broodboxignore")
    with pytest.raises(BboxError) as caught:
        await ground.take()
    assert caught.value.code is ErrorCode.EXCLUDE_INVALID


async def test_kill_9_while_a_generation_is_made_leaves_nothing_behind(ground: Ground) -> None:
    for number in range(4000):
        ground.write(f"d{number % 40}/f{number}", b"content\n" * 100)
    kill_while_it_takes(ground)
    was_cut_short = leftovers(ground) != []
    snapshot = await ground.take()
    assert was_cut_short
    assert leftovers(ground) == []
    assert snapshot.report.files == 4000


def kill_while_it_takes(ground: Ground) -> None:
    process = subprocess.Popen(
        (sys.executable, "-c", TAKE, str(ground.workspace), str(ground.baselines)),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
    )
    while not leftovers(ground) and process.poll() is None:
        time.sleep(0.001)  # nothing tells when a directory is made in another process
    process.send_signal(signal.SIGKILL)
    process.wait()


async def test_a_cancelled_snapshot_leaves_nothing_behind(ground: Ground) -> None:
    for number in range(4000):
        ground.write(f"d{number % 400}/f{number}", b"content\n" * 100)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await ground.take()
    async with asyncio.timeout(10):  # the lock is free only when the first has cleaned up
        snapshot = await ground.take()
    assert (leftovers(ground), snapshot.report.files) == ([], 4000)


async def test_snapshots_of_one_workspace_at_the_same_time_are_one(ground: Ground) -> None:
    for number in range(300):
        ground.write(f"f{number}")
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ground.take()) for _ in range(4)]
    assert {task.result().root for task in tasks} == {tasks[0].result().root}


async def test_a_damaged_manifest_costs_a_copy_and_nothing_else(ground: Ground) -> None:
    ground.write("a")
    first = await ground.take()
    path = WorkspaceStore.manifest_of(at(first))
    path.write_bytes(path.read_bytes()[:-3])
    second = await ground.take()
    assert (second.report.copied, names(second)) == (1, {"a"})


async def test_a_generation_cut_short_by_a_power_loss_is_not_built_upon(ground: Ground) -> None:
    ground.write("a", "content\n")
    first = await ground.take()
    generation = at(first)
    os.truncate(generation / "a", 0)
    path = WorkspaceStore.manifest_of(generation)
    path.write_bytes(manifest.dump(replace(manifest.read(path), boot="another")))
    second = await ground.take()
    assert at(second, "a").read_text() == "content\n"


async def test_a_whole_generation_survives_a_reboot(ground: Ground) -> None:
    ground.write("a", "content\n")
    first = await ground.take()
    path = WorkspaceStore.manifest_of(at(first))
    path.write_bytes(manifest.dump(replace(manifest.read(path), boot="another")))
    assert (await ground.take()).root == first.root


async def test_a_generation_by_other_built_in_rules_is_not_built_upon(ground: Ground) -> None:
    ground.write("a", "content\n")
    first = await ground.take()
    path = WorkspaceStore.manifest_of(at(first))
    path.write_bytes(manifest.dump(replace(manifest.read(path), built_in="older")))
    assert (await ground.take()).report.copied == 1


async def test_a_change_that_left_no_trace_in_the_times_is_found_by_content(
    ground: Ground,
) -> None:
    path = ground.write("a", "one\n")
    first = await ground.take()
    path.write_text("two\n")
    status = path.stat()
    manifest_path = WorkspaceStore.manifest_of(at(first))
    known = manifest.read(manifest_path)
    # As if both writes had been in one tick of the clock: the row is that of the second.
    row = ("a", status.st_mode, 4, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    known.tree.rows[""] = [row]
    manifest_path.write_bytes(manifest.dump(replace(known, stamp_ns=status.st_ctime_ns)))
    assert at(await ground.take(), "a").read_text() == "two\n"


def take_elsewhere(ground: Ground) -> str:
    done = subprocess.run(
        (sys.executable, "-c", TAKE, str(ground.workspace), str(ground.baselines)),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return str(json.loads(done.stdout)["root"])


async def test_an_abandoned_lease_does_not_keep_a_generation(ground: Ground) -> None:
    ground.write("a")
    first = take_elsewhere(ground)
    ground.write("a", "changed\n")
    second = await ground.take()
    await ground.snapshots.hold("one", second)
    await ground.snapshots.release("one")
    assert [Path(first).name, at(second).name] == ["g1", "g2"]
    assert sorted(at(second).parent.glob("g?")) == [at(second)]


async def test_a_generation_that_is_about_to_be_held_is_not_collected(ground: Ground) -> None:
    ground.write("a")
    first = await ground.take()
    ground.write("a", "changed\n")
    second = await ground.take()
    await ground.snapshots.hold("two", second)
    await ground.snapshots.release("two")
    assert at(first).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place))
    if not IS_ROOT or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine doesn't let us mount a small disk")
    yield place
    subprocess.run(("umount", str(place)), check=True)


async def test_a_full_disk_is_said_and_what_was_written_is_removed(
    ground: Ground, small_disk: Path
) -> None:
    for number in range(40):
        ground.write(f"f{number}", b"x" * 20_000)
    ground.baselines = small_disk / "baselines"
    snapshots = DiskSnapshots(
        place=SnapshotPlace(root=ground.baselines), excludes=DiskExcludes(), git=GitCommand()
    )
    with pytest.raises(BboxError) as caught:
        await snapshots.take(HostPath(str(ground.workspace)), ())
    assert caught.value.code is ErrorCode.DISK_FULL
    assert leftovers(ground) == []


async def test_generations_do_not_pile_up_without_a_release(ground: Ground) -> None:
    for number in range(20):
        ground.write("a", f"{number}\n")
        await ground.snapshots.hold("one", await ground.take())
    assert len(list(ground.baselines.glob("*/g*.manifest"))) <= 9


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
async def test_a_generation_of_another_owner_is_not_built_upon(ground: Ground) -> None:
    ground.write("a")
    owners = []
    for uid in (64997, 64998):
        place = SnapshotPlace(root=ground.baselines, owner=SandboxUser(uid=uid, gid=uid))
        snapshots = DiskSnapshots(place=place, excludes=DiskExcludes(), git=GitCommand())
        snapshot = await snapshots.take(HostPath(str(ground.workspace)), ())
        owners.append(at(snapshot, "a").stat().st_uid)
    assert owners == [64997, 64998]
