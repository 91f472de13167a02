# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import ResultKind
from bbox_server.domain.plan import FLUSH_PREFIX, Operation
from bbox_server.infra.workspace import flush_lock
from bbox_server.infra.workspace.flush_steps import FaultPoint, Faults
from tests.infra.flush.ground import (
    DIRECTORY,
    Contents,
    Ground,
    everything,
    file,
    lay_out,
    state_of,
    wanted,
)


@dataclass(kw_only=True)
class Meanwhile(Faults):
    """Something happens before, or after, the first time that a step is taken."""

    point: FaultPoint
    happens: Callable[[], object]
    is_after: bool = False
    is_over: bool = False

    @override
    def before(self, point: FaultPoint) -> None:
        if not self.is_after:
            self._do(point)

    @override
    def after(self, point: FaultPoint) -> None:
        if self.is_after:
            self._do(point)

    def _do(self, point: FaultPoint) -> None:
        if point is self.point and not self.is_over:
            self.is_over = True
            self.happens()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground(workspace=tmp_path / "workspace", session=tmp_path / "session")
    made.workspace.mkdir()
    made.session.mkdir()
    lay_out(made.workspace)
    return made


def save_by_rename(target: Path, content: bytes) -> None:
    new = target.with_name("editors-temporary")
    new.write_bytes(content)
    new.rename(target)


def staged(ground: Ground) -> list[str]:
    return [path.name for path in ground.workspace.rglob(f"{FLUSH_PREFIX}*")]


SAVES = {
    "in place": lambda target: target.write_bytes(b"saved\n"),
    "by rename": lambda target: save_by_rename(target, b"saved\n"),
}


@pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)
@pytest.mark.parametrize(
    "point",
    [FaultPoint.PART_MADE, FaultPoint.STAGES_SYNCED, FaultPoint.RECORD_NAMED, FaultPoint.EXCHANGED],
)
async def test_a_save_before_the_exchange_wins(
    ground: Ground, point: FaultPoint, save: Callable[[Path], object]
) -> None:
    target = ground.workspace / "d/plain"
    contents = Contents()
    meanwhile = Meanwhile(point=point, happens=lambda: save(target))

    report = await ground.flush(
        (wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),), contents, meanwhile
    )

    assert [result.result for result in report.results] == [ResultKind.CHANGED_MEANWHILE]
    assert target.read_bytes() == b"saved\n"
    assert staged(ground) == []


async def test_a_save_between_exchange_and_swapping_back_wins(ground: Ground) -> None:
    target = ground.workspace / "d/plain"
    contents = Contents()
    first = Meanwhile(
        point=FaultPoint.EXCHANGED, happens=lambda: target.write_bytes(b"first save\n")
    )
    second = Meanwhile(
        point=FaultPoint.EXCHANGED_BACK, happens=lambda: save_by_rename(target, b"second save\n")
    )

    report = await ground.flush(
        (wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),),
        contents,
        Both(first=first, second=second),
    )

    assert report.applied == ()
    assert target.read_bytes() == b"second save\n"
    kept = [path.read_bytes() for path in (ground.session / "flush").rglob("other-*")]
    assert kept == [b"first save\n"]
    assert staged(ground) == []


@dataclass(kw_only=True)
class Both(Faults):
    first: Meanwhile
    second: Meanwhile

    @override
    def before(self, point: FaultPoint) -> None:
        self.first.before(point)
        self.second.before(point)

    @override
    def after(self, point: FaultPoint) -> None:
        self.first.after(point)
        self.second.after(point)


async def test_a_save_over_the_agents_file_is_not_lost_when_the_flush_is_undone(
    ground: Ground,
) -> None:
    target = ground.workspace / "d/plain"
    contents = Contents()
    meanwhile = Meanwhile(
        point=FaultPoint.EXCHANGED, is_after=True, happens=lambda: target.write_bytes(b"saved\n")
    )
    report = await ground.flush(
        (wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),), contents, meanwhile
    )

    undone = await ground.undo(report.flush)

    assert [result.result for result in undone.results] == [ResultKind.CHANGED_MEANWHILE]
    assert target.read_bytes() == b"saved\n"


async def test_a_file_that_takes_the_place_of_a_deleted_one_stays(ground: Ground) -> None:
    target = ground.workspace / "deleted"
    meanwhile = Meanwhile(
        point=FaultPoint.MOVED_ASIDE, is_after=True, happens=lambda: target.write_bytes(b"new\n")
    )

    await ground.flush((wanted("deleted", file(b"deleted\n"), None),), Contents(), meanwhile)

    assert target.read_bytes() == b"new\n"
    assert staged(ground) == []


async def test_a_changed_file_that_was_moved_aside_is_kept_when_its_place_is_taken(
    ground: Ground,
) -> None:
    target = ground.workspace / "deleted"
    first = Meanwhile(
        point=FaultPoint.MOVED_ASIDE, happens=lambda: target.write_bytes(b"changed\n")
    )
    second = Meanwhile(
        point=FaultPoint.MOVED_BACK, happens=lambda: target.write_bytes(b"another\n")
    )

    report = await ground.flush(
        (wanted("deleted", file(b"deleted\n"), None),),
        Contents(),
        Both(first=first, second=second),
    )

    assert report.applied == ()
    assert target.read_bytes() == b"another\n"
    kept = [path.read_bytes() for path in (ground.session / "flush").rglob("other-*")]
    assert kept == [b"changed\n"]


async def test_a_directory_that_becomes_a_link_leads_nowhere(
    ground: Ground, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "plain").write_bytes(b"old\n")

    def swap() -> None:
        (ground.workspace / "d").rename(ground.workspace / "moved")
        (ground.workspace / "d").symlink_to(outside)

    for point in (FaultPoint.JOURNAL_MADE, FaultPoint.STAGES_SYNCED, FaultPoint.RECORD_NAMED):
        contents = Contents()
        meanwhile = Meanwhile(point=point, happens=swap)
        report = await ground.flush(
            (
                wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
                wanted("d/sub/added", None, contents.add(b"new\n")),
            ),
            contents,
            meanwhile,
        )

        assert report.applied == ()
        assert state_of(outside) == {"plain": state_of(outside)["plain"]}
        assert (outside / "plain").read_bytes() == b"old\n"
        (ground.workspace / "d").unlink()
        (ground.workspace / "moved").rename(ground.workspace / "d")


async def test_a_directory_that_is_filled_before_it_becomes_a_file_stays(ground: Ground) -> None:
    contents = Contents()
    mine = ground.workspace / "becomes-file/mine"
    items = (
        wanted("becomes-file", DIRECTORY, contents.add(b"a file\n")),
        wanted("becomes-file/inner", file(b"inner\n"), None),
    )
    meanwhile = Meanwhile(point=FaultPoint.EXCHANGED, happens=lambda: mine.write_bytes(b"mine\n"))

    report = await ground.flush(items, contents, meanwhile)

    assert [result.result for result in report.results] == [ResultKind.APPLIED, ResultKind.FAILED]
    assert mine.read_bytes() == b"mine\n"
    await ground.undo(report.flush)
    assert (ground.workspace / "becomes-file/inner").read_bytes() == b"inner\n"


async def test_a_file_that_is_gone_between_plan_and_flush_is_not_brought_back(
    ground: Ground,
) -> None:
    contents = Contents()
    meanwhile = Meanwhile(
        point=FaultPoint.RECORD_NAMED, happens=(ground.workspace / "d/plain").unlink
    )

    report = await ground.flush(
        (wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),), contents, meanwhile
    )

    assert report.applied == ()
    assert not (ground.workspace / "d/plain").exists()
    assert staged(ground) == []


async def test_a_cancelled_flush_is_taken_back(ground: Ground) -> None:
    before = state_of(ground.workspace)
    reached = asyncio.Event()

    @dataclass(kw_only=True)
    class Endless(Contents):
        @override
        async def read(self, operation: Operation) -> bytes:
            if operation.path.name == "tool":
                reached.set()
                await asyncio.Event().wait()
            return await super().read(operation)

    contents = Endless()
    async with asyncio.TaskGroup() as tasks:
        flush = tasks.create_task(ground.flush(everything(contents), contents))
        await reached.wait()
        assert staged(ground)
        flush.cancel()

    assert state_of(ground.workspace) == before
    assert await ground.recover() == ()


async def test_a_cancelled_flush_that_was_committed_is_finished_first(ground: Ground) -> None:
    contents = Contents()
    items = everything(contents)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as tasks:
        meanwhile = Meanwhile(
            point=FaultPoint.EXCHANGED, happens=lambda: loop.call_soon_threadsafe(flush.cancel)
        )
        flush = tasks.create_task(ground.flush(items, contents, meanwhile))

    assert flush.cancelled()
    assert await ground.recover() == ()
    assert (ground.workspace / "d/plain").read_bytes() == b"new\n" * 2000
    assert staged(ground) == []


async def test_one_workspace_is_flushed_by_one_session_at_a_time(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flush_lock, "_PATIENCE_S", 0.2)
    one, other = ground.flusher(), ground.flusher()

    async with one.lock():
        with pytest.raises(BboxError) as caught:
            async with other.lock():
                pass

    assert caught.value.code is ErrorCode.FLUSH_BUSY
    async with other.lock():
        pass


async def test_sessions_wait_for_one_another(ground: Ground) -> None:
    one, other = ground.flusher(), ground.flusher()
    order: list[str] = []

    async def second() -> None:
        async with other.lock():
            order.append("second")

    async with asyncio.TaskGroup() as tasks, one.lock():
        tasks.create_task(second())
        await asyncio.sleep(0)
        order.append("first")

    assert order == ["first", "second"]


async def test_a_workspace_that_is_gone_is_said_to_be(ground: Ground) -> None:
    shutil.rmtree(ground.workspace)

    with pytest.raises(BboxError) as caught:
        await ground.flush((wanted("x", None, file(b"x")),), Contents())

    assert caught.value.code is ErrorCode.WORKSPACE_INVALID


async def test_a_crash_of_one_session_does_not_disturb_the_other(ground: Ground) -> None:
    """Session A stops after an exchange; B flushes the same file; then A recovers."""
    contents = Contents()
    new = contents.add(b"from A\n")
    meanwhile = Meanwhile(point=FaultPoint.ORIGINAL_MOVED, happens=_no_space)
    with pytest.raises(BboxError):
        await ground.flush(
            (wanted("d/plain", file(b"old\n"), new), wanted("deleted", file(b"deleted\n"), None)),
            contents,
            Both(
                first=meanwhile,
                second=Meanwhile(point=FaultPoint.OUTCOME_LOGGED, happens=_no_space),
            ),
        )
    other = Ground(
        workspace=ground.workspace, session=ground.session.with_name("other"), name="0badcafe"
    )
    other.session.mkdir()
    now = (ground.workspace / "d/plain").read_bytes()
    result = contents.add(b"from B\n")
    report = await other.flush((wanted("d/plain", file(now), result),), contents)
    assert report.failed == ()

    await ground.recover()

    assert (ground.workspace / "d/plain").read_bytes() == b"from B\n"
    assert staged(ground) == []


def _no_space() -> None:
    raise OSError(28, os.strerror(28))
