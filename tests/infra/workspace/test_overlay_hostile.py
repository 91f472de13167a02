# SPDX-License-Identifier: Apache-2.0
"""A guest that writes its share as it likes, not as overlayfs does."""

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import threading
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.change import ChangeKind, Side, WithheldReason
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.beneath import digest_of
from bbox_server.infra.workspace.hashing import Hashes
from bbox_server.infra.workspace.limits import ChangeLimits, TreeLimits
from bbox_server.infra.workspace.upper import Descent, UpperWalk
from tests.infra.workspace.ground import Ground, by_path

SECRET = b"host secret\n"


@pytest.fixture
def outside(ground: Ground) -> Path:
    path = ground.directory / "outside"
    path.mkdir()
    (path / "secret").write_bytes(SECRET)
    return path


async def test_links_out_of_the_tree_are_withheld_and_not_followed(
    ground: Ground, outside: Path
) -> None:
    overlay = await ground.overlay()
    targets = {
        "absolute": str(outside / "secret"),
        "up": "../../../outside/secret",
        "sly": "a/../../../outside",
        "guest": "/workspace/a",
    }
    for name, target in targets.items():
        (ground.u / name).symlink_to(target)
    changes = by_path(await overlay.changes())
    contents = {await overlay.read(Side.AGENT, PurePosixPath(name)) for name in targets}
    overlay.close()
    reasons = {change.withheld for change in changes.values()}
    assert (set(changes), reasons) == (set(targets), {WithheldReason.LEAVES_WORKSPACE})
    assert SECRET not in contents


async def test_a_directory_that_is_a_link_is_not_walked(ground: Ground, outside: Path) -> None:
    overlay = await ground.overlay()
    (ground.u / "d").symlink_to(outside)
    changes = by_path(await overlay.changes())
    with pytest.raises(BboxError) as caught:
        await overlay.read(Side.AGENT, PurePosixPath("d/secret"))
    overlay.close()
    assert (list(changes), caught.value.code) == (["d"], ErrorCode.REVIEW_STALE)


async def test_a_link_swapped_in_between_is_never_followed(ground: Ground, outside: Path) -> None:
    overlay = await ground.overlay()
    stopped = threading.Event()
    swapping = threading.Thread(target=swap, args=(ground.u, outside / "secret", stopped))
    swapping.start()
    seen: set[bytes] = set()
    digests: set[str | None] = set()
    for _ in range(300):
        digests |= {
            change.agent.digest for change in (await overlay.changes()).changes if change.agent
        }
        with suppress(BboxError):
            seen.add(await overlay.read(Side.AGENT, PurePosixPath("f")))
    stopped.set()
    swapping.join()
    overlay.close()
    assert seen <= {b"harmless\n", os.fsencode(outside / "secret")}
    assert digest_of(SECRET) not in digests


def swap(directory: Path, target: Path, stopped: threading.Event) -> None:
    (directory / "file").write_bytes(b"harmless\n")
    while not stopped.is_set():
        (directory / "l").symlink_to(target)
        (directory / "l").replace(directory / "f")
        shutil.copyfile(directory / "file", directory / "c")
        (directory / "c").replace(directory / "f")


async def test_directories_swapped_for_links_are_never_followed(
    ground: Ground, outside: Path
) -> None:
    overlay = await ground.overlay()
    stopped = threading.Event()
    swapping = threading.Thread(target=swap_directory, args=(ground.u, outside, stopped))
    swapping.start()
    paths: set[str] = set()
    for _ in range(300):
        paths |= set(by_path(await overlay.changes()))
    stopped.set()
    swapping.join()
    overlay.close()
    assert "d/secret" not in paths


def swap_directory(directory: Path, target: Path, stopped: threading.Event) -> None:
    while not stopped.is_set():
        (directory / "d").mkdir()
        (directory / "d/own").touch()
        (directory / "d").rename(directory / "e")
        (directory / "d").symlink_to(target)
        (directory / "d").unlink()
        shutil.rmtree(directory / "e")


async def test_special_files_are_withheld_and_never_opened(ground: Ground) -> None:
    overlay = await ground.overlay()
    os.mkfifo(ground.u / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(ground.u / "socket"))
        async with asyncio.timeout(5):
            changes = by_path(await overlay.changes())
            with pytest.raises(BboxError):
                await overlay.read(Side.AGENT, PurePosixPath("fifo"))
    overlay.close()
    assert set(changes) == {"fifo", "socket"}
    assert {change.withheld for change in changes.values()} == {WithheldReason.SPECIAL_FILE}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
async def test_device_nodes_are_withheld_and_never_opened(ground: Ground) -> None:
    overlay = await ground.overlay()
    os.mknod(ground.u / "mem", stat.S_IFCHR | 0o666, os.makedev(1, 1))
    os.mknod(ground.u / "disk", stat.S_IFBLK | 0o666, os.makedev(254, 0))
    changes = by_path(await overlay.changes())
    with pytest.raises(BboxError):
        await overlay.read(Side.AGENT, PurePosixPath("mem"))
    overlay.close()
    assert {change.kind for change in changes.values()} == {ChangeKind.SPECIAL}
    assert {change.withheld for change in changes.values()} == {WithheldReason.SPECIAL_FILE}


async def test_privilege_bits_are_not_listed(ground: Ground) -> None:
    overlay = await ground.overlay()
    ground.agent("su", mode=0o6755)
    (change,) = (await overlay.changes()).changes
    overlay.close()
    assert change.agent is not None
    assert change.agent.mode == 0o755


async def test_3000_directories_in_one_another_end_the_walk_early(ground: Ground) -> None:
    overlay = await ground.overlay()
    fd = os.open(ground.u, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    ground.agent("ordinary")
    changes = by_path(await overlay.changes())
    overlay.close()
    remove_deep(ground.u)
    (deep,) = (change for path, change in changes.items() if path != "ordinary")
    assert deep.withheld is WithheldReason.TOO_LARGE
    assert changes["ordinary"].withheld is None


def remove_deep(directory: Path) -> None:
    # find moves into each directory; shutil and pytest name whole paths, or recurse.
    subprocess.run(("find", str(directory), "-mindepth", "1", "-delete"), check=True)


async def test_long_names_and_paths_are_bounded(ground: Ground) -> None:
    overlay = await ground.overlay()
    fd = os.open(ground.u, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("n" * 250, dir_fd=fd)
        inner = os.open("n" * 250, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    changes = (await overlay.changes()).changes
    overlay.close()
    remove_deep(ground.u)
    assert [change.withheld for change in changes] == [WithheldReason.TOO_LARGE]


async def test_a_file_larger_than_the_limit_is_withheld_unread(ground: Ground) -> None:
    overlay = await ground.overlay()
    path = ground.agent("huge", "")
    os.truncate(path, 4 << 40)
    async with asyncio.timeout(5):
        (change,) = (await overlay.changes()).changes
    overlay.close()
    assert change.withheld is WithheldReason.TOO_LARGE


async def test_a_file_that_grew_past_the_limit_is_not_read_into_memory(ground: Ground) -> None:
    overlay = await ground.overlay(ChangeLimits(file_bytes=1000))
    ground.agent("a", b"x" * 1001)
    with pytest.raises(BboxError) as caught:
        await overlay.read(Side.AGENT, PurePosixPath("a"))
    overlay.close()
    assert caught.value.code is ErrorCode.SNAPSHOT_LIMIT


async def test_many_large_files_are_hashed_only_up_to_a_limit(ground: Ground) -> None:
    overlay = await ground.overlay(ChangeLimits(file_bytes=1 << 20, hashed_bytes=3 << 20))
    for number in range(5):
        os.truncate(ground.agent(f"f{number}", ""), 1 << 20)
    changes = await overlay.changes()
    overlay.close()
    assert (len(changes.flushable), len(changes.withheld)) == (3, 2)


def test_more_names_than_the_limit_cut_the_walk(ground: Ground) -> None:
    for number in range(50):
        put = ground.directory / "many" / f"d{number % 5}" / str(number)
        put.parent.mkdir(parents=True, exist_ok=True)
        put.touch()
    fd = os.open(ground.directory / "many", os.O_RDONLY)
    upper = UpperWalk(lambda _path, _names: Descent.LIST, TreeLimits(entries=20)).run(fd)
    os.close(fd)
    assert len(upper.entries) == 20
    assert upper.cut


async def test_what_was_not_looked_into_is_not_taken_for_deleted(ground: Ground) -> None:
    deep = "/".join("d" * 1 for _ in range(300))
    ground.write("d/kept", "1\n")
    overlay = await ground.overlay()
    ground.opaque("d")
    fd = os.open(ground.u / "d", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)
    changes = by_path(await overlay.changes())
    overlay.close()
    remove_deep(ground.u)
    deleted = {path for path, change in changes.items() if change.kind is ChangeKind.DELETED}
    assert deleted == {"d/kept"}
    assert deep not in changes


@pytest.mark.parametrize("value", [b"y", b"x", b"", b"yes", b"y" * 60_000])
async def test_a_forged_opaque_root_hides_nothing(ground: Ground, value: bytes) -> None:
    ground.write("a")
    ground.write("d/b")
    overlay = await ground.overlay()
    try:
        os.setxattr(ground.u, "user.overlay.opaque", value)
    except OSError:
        pytest.skip("this file system takes no such attribute")
    changes = (await overlay.changes()).changes
    overlay.close()
    assert changes == ()


async def test_forged_attributes_of_overlayfs_name_nothing_elsewhere(
    ground: Ground, outside: Path
) -> None:
    ground.write("a", "1\n")
    overlay = await ground.overlay()
    path = ground.agent("a", "2\n")
    for name, value in {
        "redirect": os.fsencode(outside / "secret"),
        "metacopy": b"",
        "origin": b"\0\xfb" + b"\0" * 30,
        "impure": b"y",
    }.items():
        os.setxattr(path, f"user.overlay.{name}", value)
    (change,) = (await overlay.changes()).changes
    text = await overlay.read(Side.AGENT, PurePosixPath("a"))
    overlay.close()
    assert (change.kind, text) == (ChangeKind.MODIFIED, b"2\n")


async def test_a_whiteout_of_nothing_is_no_change(ground: Ground) -> None:
    overlay = await ground.overlay()
    ground.remove("never/was")
    changes = (await overlay.changes()).changes
    overlay.close()
    assert [change.kind for change in changes] == [ChangeKind.DIRECTORY]


@pytest.mark.parametrize("how", ["link", "directory", "file", "gone"])
async def test_u_replaced_before_a_session_is_opened_again_is_refused(
    ground: Ground, outside: Path, how: str
) -> None:
    snapshot = await ground.take()
    ground.open(snapshot).close()
    ground.u.rename(ground.upper / "v")
    match how:
        case "link":
            ground.u.symlink_to(outside)
        case "directory":
            ground.u.mkdir()
        case "file":
            ground.u.touch()
        case _:
            pass
    with pytest.raises(BboxError) as caught:
        ground.open(snapshot)
    assert caught.value.code is ErrorCode.SNAPSHOT_FAILED


async def test_u_replaced_during_a_session_is_not_used(ground: Ground, outside: Path) -> None:
    overlay = await ground.overlay()
    ground.agent("a")
    ground.u.rename(ground.upper / "v")
    ground.u.symlink_to(outside)
    paths = set(by_path(await overlay.changes()))
    overlay.close()
    assert paths == {"a"}


async def test_names_that_are_paths_to_no_one_are_kept(ground: Ground) -> None:
    overlay = await ground.overlay()
    strange = ["...", "-rf", " ", "\n", "\x1b[2J", "a\u202eb", os.fsdecode(b"\xff")]
    for name in strange:
        ground.agent(name)
    paths = set(by_path(await overlay.changes()))
    overlay.close()
    assert paths == set(strange)


async def test_a_missing_manifest_is_a_failure_that_names_the_snapshot(ground: Ground) -> None:
    ground.write("a")
    snapshot = await ground.take()
    overlay = ground.open(snapshot)
    (ground.baselines / f"{snapshot.root}.manifest").unlink()
    with pytest.raises(BboxError) as caught:
        await overlay.changes()
    overlay.close()
    assert caught.value.code is ErrorCode.SNAPSHOT_FAILED
    assert snapshot.root in caught.value.cause


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_the_overlay_belongs_to_the_sandbox_user(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SandboxUser(uid=64998, gid=64998))
    (await ground.overlay()).close()
    paths = (ground.upper, ground.u, ground.upper / "w")
    assert {path.stat().st_uid for path in paths} == {64998}
    assert ground.upper.with_name("upper.json").stat().st_uid == 0


def test_a_file_that_grows_while_it_is_hashed_is_given_up(ground: Ground) -> None:
    ground.write("a", b"x" * 3_000_000)
    fd = os.open(ground.workspace, os.O_RDONLY)
    hashes = Hashes(baseline_fd=fd, upper_fd=fd)
    with pytest.raises(OSError, match="large"):
        hashes.of_agent("a", 2_000_000)
    os.close(fd)
