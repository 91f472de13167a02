# SPDX-License-Identifier: Apache-2.0
"""What every keeper of baselines keeps to."""

from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.snapshot import Snapshot, Snapshots
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.excludes.disk import DiskExcludes
from bbox_server.infra.git.repositories import GitCommand
from bbox_server.infra.workspace.snapshots import DiskSnapshots, SnapshotPlace
from tests.fakes.snapshot import MemorySnapshots


class Ground(ABC):
    """A workspace that a test changes, and the snapshots of it."""

    snapshots: Snapshots
    workspace: HostPath

    @abstractmethod
    def write(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def content(self, snapshot: Snapshot, name: str) -> bytes | None: ...

    @abstractmethod
    def exists(self, snapshot: Snapshot) -> bool: ...

    async def take(self, *excludes: str) -> Snapshot:
        return await self.snapshots.take(self.workspace, excludes)


class MemoryGround(Ground):
    def __init__(self) -> None:
        self.workspace = HostPath("/home/user/project")
        self.memory = MemorySnapshots(workspaces={self.workspace: {}})
        self.snapshots = self.memory

    @override
    def write(self, name: str, content: bytes) -> None:
        self.memory.workspaces[self.workspace][PurePosixPath(name)] = content

    @override
    def content(self, snapshot: Snapshot, name: str) -> bytes | None:
        return self.memory.generations[snapshot.root].get(PurePosixPath(name))

    @override
    def exists(self, snapshot: Snapshot) -> bool:
        return snapshot.root in self.memory.generations


class DiskGround(Ground):
    def __init__(self, directory: Path) -> None:
        self.path = directory / "project"
        self.path.mkdir()
        self.workspace = HostPath(str(self.path))
        self.snapshots = DiskSnapshots(
            place=SnapshotPlace(root=directory / "baselines"),
            excludes=DiskExcludes(),
            git=GitCommand(),
        )

    @override
    def write(self, name: str, content: bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    @override
    def content(self, snapshot: Snapshot, name: str) -> bytes | None:
        path = Path(snapshot.root, name)
        return path.read_bytes() if path.exists() else None

    @override
    def exists(self, snapshot: Snapshot) -> bool:
        return Path(snapshot.root).is_dir()


@pytest.fixture(params=["fake", "disk"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    return MemoryGround() if request.param == "fake" else DiskGround(tmp_path)


async def test_a_snapshot_holds_the_workspace(ground: Ground) -> None:
    ground.write("src/main.py", b"print()\n")
    snapshot = await ground.take()
    assert ground.content(snapshot, "src/main.py") == b"print()\n"


async def test_an_empty_workspace_has_a_snapshot(ground: Ground) -> None:
    snapshot = await ground.take()
    assert (snapshot.report.files, ground.exists(snapshot)) == (0, True)


async def test_an_unchanged_workspace_keeps_its_generation(ground: Ground) -> None:
    ground.write("a", b"1")
    first = await ground.take()
    second = await ground.take()
    assert (second.root, second.report.copied) == (first.root, 0)


async def test_a_generation_does_not_change_with_the_workspace(ground: Ground) -> None:
    ground.write("a", b"1")
    first = await ground.take()
    ground.write("a", b"2")
    second = await ground.take()
    assert [ground.content(each, "a") for each in (first, second)] == [b"1", b"2"]


async def test_only_what_changed_is_copied(ground: Ground) -> None:
    ground.write("a", b"1")
    ground.write("b", b"1")
    await ground.take()
    ground.write("b", b"22")
    assert (await ground.take()).report.copied == 1


async def test_a_secret_stays_out_and_is_counted(ground: Ground) -> None:
    ground.write(".env", b"TOKEN=1")
    ground.write("a", b"1")
    snapshot = await ground.take()
    assert ground.content(snapshot, ".env") is None
    assert (snapshot.report.files, snapshot.report.secret) == (1, 1)


async def test_what_the_user_excludes_stays_out_and_is_counted(ground: Ground) -> None:
    ground.write("big", b"1")
    snapshot = await ground.take("big")
    assert ground.content(snapshot, "big") is None
    assert snapshot.report.excluded == 1


async def test_a_workspace_that_is_not_there_is_refused(ground: Ground) -> None:
    with pytest.raises(BboxError) as caught:
        await ground.snapshots.take(HostPath("/nowhere/at/all"), ())
    assert caught.value.code is ErrorCode.WORKSPACE_INVALID


async def test_a_held_generation_outlives_newer_ones(ground: Ground) -> None:
    ground.write("a", b"1")
    first = await ground.take()
    await ground.snapshots.hold("one", first)
    ground.write("a", b"2")
    second = await ground.take()
    await ground.snapshots.hold("two", second)
    await ground.snapshots.release("two")
    assert ground.exists(first)


async def test_a_generation_that_nobody_needs_is_collected(ground: Ground) -> None:
    ground.write("a", b"1")
    first = await ground.take()
    await ground.snapshots.hold("one", first)
    ground.write("a", b"2")
    second = await ground.take()
    await ground.snapshots.hold("two", second)
    await ground.snapshots.release("one")
    assert [ground.exists(each) for each in (first, second)] == [False, True]


async def test_two_sessions_hold_one_generation(ground: Ground) -> None:
    ground.write("a", b"1")
    first = await ground.take()
    for session in ("one", "two"):
        await ground.snapshots.hold(session, first)
    ground.write("a", b"2")
    await ground.take()
    await ground.snapshots.release("one")
    assert ground.exists(first)


async def test_the_release_of_an_unknown_session_does_nothing(ground: Ground) -> None:
    snapshot = await ground.take()
    await ground.snapshots.release("unknown")
    assert ground.exists(snapshot)
