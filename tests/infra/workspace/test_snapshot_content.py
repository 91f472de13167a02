# SPDX-License-Identifier: Apache-2.0
"""What a generation is made of."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.limits import WALK_LIMITS
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace
from tests.infra.workspace.ground import Ground, at, names

IS_ROOT = os.geteuid() == 0


def write_at(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(content)


def bytes_at(path: Path, position: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(position)
        return file.read(count)


async def test_a_copy_keeps_mode_and_time_and_no_privilege_bits(ground: Ground) -> None:
    path = ground.write("tool", mode=0o4755)
    os.utime(path, ns=(1, 1_500_000_000_123_456_789))
    copy = at(await ground.take(), "tool").stat()
    assert (stat.S_IMODE(copy.st_mode), copy.st_mtime_ns) == (0o755, 1_500_000_000_123_456_789)


async def test_a_generation_shares_nothing_with_the_workspace(ground: Ground) -> None:
    path = ground.write("a", "before\n")
    snapshot = await ground.take()
    write_at(path, 0, b"AFTER!")  # in place, as editors and shells do
    assert at(snapshot, "a").read_text() == "before\n"


async def test_unchanged_files_are_links_of_the_generation_before(ground: Ground) -> None:
    ground.write("same")
    ground.write("other")
    first = await ground.take()
    ground.write("other", "changed\n")
    second = await ground.take()
    assert at(first, "same").samefile(at(second, "same"))
    assert not at(first, "other").samefile(at(second, "other"))


async def test_a_file_that_is_gone_is_gone_in_the_next_generation(ground: Ground) -> None:
    ground.write("d/a")
    ground.write("d/b")
    await ground.take()
    (ground.workspace / "d/a").unlink()
    assert names(await ground.take()) == {"d", "d/b"}


async def test_directories_are_there_even_when_they_are_empty(ground: Ground) -> None:
    (ground.workspace / "a/b").mkdir(parents=True)
    assert names(await ground.take()) == {"a", "a/b"}


async def test_a_change_of_the_executable_bit_is_seen(ground: Ground) -> None:
    path = ground.write("run")
    await ground.take()
    path.chmod(0o755)
    assert os.access(at(await ground.take(), "run"), os.X_OK)


async def test_strange_names_are_ordinary(ground: Ground) -> None:
    strange = [b"new\nline", b"bad\xff\xfeutf8", b" sp ace", b"-x", "ü-日本".encode(), b"n" * 255]
    for name in strange:
        ground.write(os.fsdecode(name))
    snapshot = await ground.take()
    again = await ground.take()
    assert {os.fsencode(name) for name in names(snapshot)} == set(strange)
    assert again.root == snapshot.root


async def test_links_are_kept_as_they_are_and_never_followed(ground: Ground) -> None:
    outside = ground.directory / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (ground.workspace / "out").symlink_to(outside)
    (ground.workspace / "in").symlink_to("missing")
    root = at(await ground.take())
    assert [str((root / name).readlink()) for name in ("out", "in")] == [str(outside), "missing"]


async def test_a_link_that_points_elsewhere_now_is_seen(ground: Ground) -> None:
    link = ground.workspace / "l"
    link.symlink_to("a")
    await ground.take()
    link.unlink()
    link.symlink_to("b")
    assert str(at(await ground.take(), "l").readlink()) == "b"


async def test_fifos_and_sockets_are_skipped_and_named(ground: Ground) -> None:
    os.mkfifo(ground.workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(ground.workspace / "socket"))
        snapshot = await ground.take()
    assert names(snapshot) == set()
    assert snapshot.report.skipped == ("pipe: a fifo", "socket: a socket")


@pytest.mark.skipif(not IS_ROOT, reason="only root makes devices")
async def test_devices_are_skipped_and_named(ground: Ground) -> None:
    os.mknod(ground.workspace / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    snapshot = await ground.take()
    assert (names(snapshot), snapshot.report.skipped) == (set(), ("null: a character device",))


async def test_a_sparse_file_of_10_gb_takes_no_space(ground: Ground) -> None:
    path = ground.write("disk.img", b"")
    os.truncate(path, 10 << 30)
    write_at(path, 5 << 30, b"in the middle")
    copy = at(await ground.take(), "disk.img")
    status = copy.stat()
    assert (status.st_size, bytes_at(copy, 5 << 30, 13)) == (10 << 30, b"in the middle")
    assert status.st_blocks * 512 < 1 << 20


async def test_what_is_too_deep_is_left_out_and_named(ground: Ground) -> None:
    path = ground.workspace
    for _ in range(WALK_LIMITS.depth + 3):
        path = path / "d"
        path.mkdir()
    (path / "file").touch()
    snapshot = await ground.take()
    assert len(names(snapshot)) == WALK_LIMITS.depth
    assert snapshot.report.skipped[0].endswith("too many directories in one another")


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
async def test_a_generation_belongs_to_the_sandbox_user(tmp_path: Path) -> None:
    ground = Ground(tmp_path, SandboxUser(uid=64998, gid=64998))
    ground.write("d/a")
    (ground.workspace / "l").symlink_to("d/a")
    ground.repository()
    root = at(await ground.take())
    owners = {path.lstat().st_uid for path in (root, *root.rglob("*"))}
    assert owners == {64998}


async def test_the_state_of_bbox_is_no_part_of_a_workspace(ground: Ground) -> None:
    state = ground.workspace / "state"
    place = SnapshotPlace(root=state / "baselines", private=(state / "sessions",))
    snapshots = DiskSnapshots(place=place, excludes=DiskExcludes(), git=GitCommand())
    for directory in ("baselines", "sessions/one", "mine"):
        (state / directory).mkdir(parents=True)
    snapshot = await snapshots.take(HostPath(str(ground.workspace)), ())
    assert names(snapshot) == {"state", "state/mine"}


async def test_what_a_flush_stages_is_no_part_of_a_workspace(ground: Ground) -> None:
    ground.write(".bbox-flush-0-1-0")
    ground.write("d/.bbox-flush-0-1-1.part")
    assert names(await ground.take()) == {"d"}


async def test_a_file_that_keeps_its_time_and_size_is_seen_by_its_status(ground: Ground) -> None:
    path = ground.write("a", "one\n")
    before = path.stat()
    await ground.take()
    path.write_text("two\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert at(await ground.take(), "a").read_text() == "two\n"


@pytest.mark.timeout(240)
async def test_200_000_files_are_no_problem(ground: Ground) -> None:
    for number in range(200):
        directory = ground.workspace / f"d{number}"
        directory.mkdir()
        for name in range(1000):
            os.close(os.open(f"{directory}/f{name}", os.O_CREAT | os.O_WRONLY))
    first = await ground.take()
    second = await ground.take()
    shutil.rmtree(ground.directory)  # pytest would keep it for three runs
    assert (first.report.files, second.report.copied) == (200_000, 0)


async def test_a_long_snapshot_tells_how_far_it_is(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bbox_server.infra.workspace.snapshots._PROGRESS_S", 0)
    for number in range(3):
        (ground.workspace / f"{number}").mkdir()
        ground.write(f"{number}/file")
    await ground.take()
    assert any(said.endswith("files seen") for said in ground.told)
    assert any(said.endswith("files copied") for said in ground.told)
