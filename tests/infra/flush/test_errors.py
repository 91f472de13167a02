# SPDX-License-Identifier: Apache-2.0
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushReport, ResultKind
from bbox_server.domain.plan import FLUSH_PREFIX
from bbox_server.infra.workspace.flush_steps import FaultPoint, Faults
from tests.infra.flush.ground import (
    DIRECTORY,
    Contents,
    Ground,
    State,
    everything,
    file,
    lay_out,
    state_of,
    wanted,
)

# With everything on one file system and no interference these are not reached.
ELSEWHERE = {
    FaultPoint.EXCHANGED_BACK,
    FaultPoint.MOVED_BACK,
    FaultPoint.ORIGINAL_COPIED,
    FaultPoint.LEFTOVER_REMOVED,
    FaultPoint.JOURNAL_REMOVED,
}


@dataclass(kw_only=True)
class Failing(Faults):
    """One step meets an error, as the disk gives it."""

    point: FaultPoint
    nth: int
    number: int = errno.ENOSPC
    counts: Counter[FaultPoint] = field(default_factory=Counter)

    @override
    def before(self, point: FaultPoint) -> None:
        self.counts[point] += 1
        if point is self.point and self.counts[point] == self.nth:
            raise OSError(self.number, os.strerror(self.number))

    @override
    def after(self, point: FaultPoint) -> None:
        pass


@pytest.fixture
def directory() -> Iterator[Path]:
    """Syncing is free on tmpfs."""
    parent = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=parent, prefix="bbox-") as name:
        yield Path(name)


def fresh(directory: Path, name: str) -> Ground:
    ground = Ground(workspace=directory / name / "workspace", session=directory / name / "session")
    ground.workspace.mkdir(parents=True)
    ground.session.mkdir()
    lay_out(ground.workspace)
    return ground


async def try_flush(ground: Ground, faults: Failing) -> FlushReport | BboxError:
    contents = Contents()
    try:
        return await ground.flush(everything(contents), contents, faults)
    except BboxError as error:
        return error


async def complete(directory: Path) -> State:
    ground = fresh(directory, "complete")
    contents = Contents()
    await ground.flush(everything(contents), contents)
    return state_of(ground.workspace)


@pytest.mark.parametrize("point", [point for point in FaultPoint if point not in ELSEWHERE])
async def test_a_full_disk_at_any_step_leaves_each_path_as_before_or_as_wanted(
    point: FaultPoint, directory: Path
) -> None:
    final = await complete(directory)
    for nth in range(1, 40):
        faults = Failing(point=point, nth=nth)
        ground = fresh(directory, str(nth))
        before = state_of(ground.workspace)

        outcome = await try_flush(ground, faults)
        if faults.counts[point] < nth:
            break
        await ground.recover()

        now = state_of(ground.workspace)
        wrong = {
            path
            for path in now.keys() | before.keys() | final.keys()
            if now.get(path) not in {before.get(path), final.get(path)}
        }
        assert wrong == set(), (nth, outcome)
        assert not [path for path in now if FLUSH_PREFIX in path], (nth, outcome)
        if isinstance(outcome, BboxError):
            assert outcome.code is ErrorCode.DISK_FULL
            assert now in (before, final), (nth, outcome)
    else:
        pytest.fail("the point is reached more often than expected")


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.EINVAL]
)
@pytest.mark.parametrize(
    "point", [FaultPoint.PART_MADE, FaultPoint.PART_WRITTEN, FaultPoint.EXCHANGED]
)
async def test_one_files_error_is_its_own(point: FaultPoint, number: int, directory: Path) -> None:
    ground = fresh(directory, "one")
    contents = Contents()
    items = (
        wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
        wanted("d/sub/deep", file(b"deep\n"), contents.add(b"deeper\n")),
        wanted("deleted", file(b"deleted\n"), None),
    )

    report = await ground.flush(items, contents, Failing(point=point, nth=1, number=number))

    assert [result.result for result in report.results] == [
        ResultKind.FAILED,
        ResultKind.APPLIED,
        ResultKind.APPLIED,
    ]
    exchange = point is FaultPoint.EXCHANGED and number == errno.EINVAL
    said = "can't exchange files" if exchange else os.strerror(number)
    assert said in report.results[0].detail
    assert (ground.workspace / "d/plain").read_bytes() == b"old\n"
    assert (ground.workspace / "d/sub/deep").read_bytes() == b"deeper\n"
    undone = await ground.undo(report.flush)
    assert undone.failed == ()
    assert (ground.workspace / "d/sub/deep").read_bytes() == b"deep\n"


async def test_an_original_that_can_not_be_kept_is_put_back(directory: Path) -> None:
    ground = fresh(directory, "one")
    contents = Contents()
    items = (
        wanted("d/plain", file(b"old\n"), contents.add(b"new\n")),
        wanted("deleted", file(b"deleted\n"), None),
    )
    before = state_of(ground.workspace)

    for nth in (1, 2):
        point = FaultPoint.ORIGINAL_MOVED
        report = await ground.flush(items, contents, Failing(point=point, nth=nth))
        assert [result.result for result in report.results].count(ResultKind.FAILED) == 1
        await ground.undo(report.flush)

    assert state_of(ground.workspace) == before


async def test_after_a_flush_that_was_cut_short_the_next_one_goes_on(directory: Path) -> None:
    ground = fresh(directory, "one")
    final = await complete(directory)
    outcome = await try_flush(ground, Failing(point=FaultPoint.OUTCOME_LOGGED, nth=5))
    assert isinstance(outcome, BboxError)

    reports = await ground.recover()

    assert [report.failed for report in reports] == [()]
    assert state_of(ground.workspace) == final
    assert await ground.recover() == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"version":9}', b"\xff"])
async def test_a_damaged_intent_changes_nothing_and_says_so(
    content: bytes, directory: Path
) -> None:
    ground = fresh(directory, "one")
    outcome = await try_flush(ground, Failing(point=FaultPoint.OUTCOME_LOGGED, nth=5))
    assert isinstance(outcome, BboxError)
    (ground.session / "flush/1/intent").write_bytes(content)
    before = state_of(ground.workspace)

    with pytest.raises(BboxError) as caught:
        await ground.recover()

    assert caught.value.code is ErrorCode.FLUSH_JOURNAL_CORRUPT
    assert state_of(ground.workspace) == before


class CrashError(Exception):
    """As if the process had ended here."""


@dataclass(kw_only=True)
class Overlayfs(Failing):
    """A file system that can't move a directory of a lower layer."""

    crash: FaultPoint | None = None

    @override
    def after(self, point: FaultPoint) -> None:
        if point is self.crash:
            raise CrashError


@pytest.mark.parametrize("crash", [None, FaultPoint.DIRECTORY_REMOVED, FaultPoint.CREATED])
async def test_a_directory_that_can_not_be_exchanged_is_removed_first(
    crash: FaultPoint | None, directory: Path
) -> None:
    ground = fresh(directory, "one")
    before = state_of(ground.workspace)
    contents = Contents()
    items = (
        wanted("becomes-file", DIRECTORY, contents.add(b"a file now\n")),
        wanted("becomes-file/inner", file(b"inner\n"), None),
    )
    faults = Overlayfs(point=FaultPoint.EXCHANGED, nth=1, number=errno.EXDEV, crash=crash)

    if crash is None:
        assert (await ground.flush(items, contents, faults)).failed == ()
    else:
        with pytest.raises(CrashError):
            await ground.flush(items, contents, faults)
        (report,) = await ground.recover()
        assert report.failed == ()

    assert (ground.workspace / "becomes-file").read_bytes() == b"a file now\n"
    assert (await ground.undo(1)).failed == ()
    assert state_of(ground.workspace) == before


def test_on_a_disk_that_is_really_full_the_others_are_written(directory: Path) -> None:
    script = "tests.infra.flush.small_disk"
    words = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-m", script]
    root = Path(__file__).parents[3]
    done = subprocess.run([*words, str(directory)], capture_output=True, cwd=root, check=False)
    if b"unshare failed" in done.stderr or b"unshare:" in done.stderr:
        pytest.skip("no user namespaces here")

    assert json.loads(done.stdout) == {
        "before": "applied",
        "large": "failed No space left on device",
        "small": "applied",
        "files": "before small",
    }
