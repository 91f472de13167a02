# SPDX-License-Identifier: Apache-2.0
"""Snapshot, overlay, review and flush together, on a disk, with git: all but the guest."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bbox_server.application.flush_changes import FlushChanges
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.application.undo_flush import UndoFlush
from bbox_server.domain.change import HunkId
from bbox_server.domain.decision import Decision
from bbox_server.domain.review import ReviewItem, Verdict
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.diff.git_differ import GitDiffer
from bbox_server.infra.sessions.review_file import ReviewFile
from bbox_server.infra.workspace.flush_steps import FaultPoint, Faults
from bbox_server.infra.workspace.flusher import DiskFlusher
from bbox_server.infra.workspace.overlay import DiskOverlay
from bbox_server.infra.workspace.present import DiskWorkspace
from tests.infra.flush.ground import State, state_of
from tests.infra.flush.test_errors import Failing
from tests.infra.workspace.ground import Ground

TEXT = b"".join(b"line %d\n" % number for number in range(1, 61))


def changed(*numbers: int) -> bytes:
    text = TEXT
    for number in numbers:
        text = text.replace(b"line %d\n" % number, b"line %d changed\n" % number)
    return text


class Chain:
    """A session over a snapshot."""

    def __init__(self, ground: Ground, overlay: DiskOverlay) -> None:
        self.ground = ground
        self.overlay = overlay
        session = ground.upper.parent
        scratch = session / "scratch"
        scratch.mkdir(exist_ok=True)
        reviews = ReviewFile(directory=HostPath(str(session)))
        differ = GitDiffer(scratch=str(scratch))
        place = HostPath(str(ground.workspace))
        self.review = ReviewChanges(overlay=overlay, differ=differ, reviews=reviews)
        flusher = self.flusher()
        files = DiskWorkspace(workspace=place)
        planning = PlanFlush(review=self.review, files=files, differ=differ)
        self.flush = FlushChanges(planning=planning, flusher=flusher)
        self.undo = UndoFlush(flusher=flusher, reviews=reviews)

    def flusher(self, faults: Faults | None = None) -> DiskFlusher:
        session = self.ground.upper.parent
        return DiskFlusher(
            workspace=HostPath(str(self.ground.workspace)),
            journals=HostPath(str(session / "flush")),
            lock=HostPath(str(session / "lock")),
            session=SessionId("00000001"),
            faults=faults,
        )

    async def item(self, name: str) -> ReviewItem:
        items = (await self.review.list()).items
        return next(item for item in items if str(item.change.path) == name)

    async def decide(self, name: str, verdict: Verdict, *hunks: int) -> None:
        item = await self.item(name)
        ids: list[HunkId | None] = [item.hunks[index].id for index in hunks]
        await self.review.decide(
            [Decision(change=item.change.id, hunk=hunk, verdict=verdict) for hunk in ids or [None]]
        )

    async def apply(self) -> list[str]:
        """Flush what is accepted; the paths that were not applied."""
        plan = await self.flush.plan()
        report = await self.flush(plan.hash)
        return [str(result.path) for result in report.failed]

    def state(self) -> State:
        return state_of(self.ground.workspace)


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[Chain]:
    ground = Ground(tmp_path)
    ground.write("src/text.py", TEXT)
    ground.write("src/tool.sh", "#!/bin/sh\n", mode=0o755)
    ground.write("gone.txt", "gone\n")
    ground.write("moves.txt", "moves\n" * 10)
    ground.write("dir/a", "a\n")
    ground.write("dir/b", "b\n")
    ground.write("secret/.env", "KEY=1\n")
    overlay = await ground.overlay()
    yield Chain(ground, overlay)
    overlay.close()


async def test_a_whole_session_reaches_the_workspace_and_goes_back(chain: Chain) -> None:
    ground, before = chain.ground, chain.state()
    ground.agent("src/text.py", changed(5, 30, 55))
    ground.agent("src/tool.sh", "#!/bin/sh\necho\n", mode=0o644)
    ground.remove("gone.txt")
    ground.remove("moves.txt")
    ground.agent("moved/to.txt", "moves\n" * 10)
    ground.remove("dir")
    ground.agent("new/bin", b"\0binary\xff")
    ground.agent(".vscode/tasks.json", "{}\n")
    ground.agent("Makefile", "all:\n")
    ground.agent(".git/hooks/post-checkout", "#!/bin/sh\n", mode=0o755)
    ground.agent("secret/.env.local", "KEY=2\n")
    (ground.u / "out").symlink_to("/etc/passwd")

    await chain.decide("src/text.py", Verdict.ACCEPTED, 0)
    await chain.decide("src/text.py", Verdict.REJECTED, 1)
    review, bulk = await chain.review.accept_ordinary()
    failed = await chain.apply()

    assert failed == []
    assert [str(path) for path in bulk.to_confirm] == ["Makefile"]
    assert [str(path) for path in bulk.one_by_one] == [".vscode/tasks.json"]
    assert {str(item.change.path) for item in review.withheld} == {
        ".git", "out", "secret/.env.local",
    }  # fmt: skip
    workspace = ground.workspace
    assert (workspace / "src/text.py").read_bytes() == changed(5, 55)
    assert (workspace / "src/tool.sh").stat().st_mode & 0o777 == 0o644
    assert not (workspace / "gone.txt").exists()
    assert not (workspace / "moves.txt").exists()
    assert (workspace / "moved/to.txt").read_bytes() == b"moves\n" * 10
    assert not (workspace / "dir").exists()
    assert (workspace / "new/bin").read_bytes() == b"\0binary\xff"
    assert not {".git", "Makefile", ".vscode", "out"} & chain.state().keys()
    left = {str(item.change.path): item.verdict for item in (await chain.review.list()).flushable}
    assert left == {
        ".vscode/tasks.json": Verdict.UNDECIDED,
        "Makefile": Verdict.UNDECIDED,
        "src/text.py": Verdict.REJECTED,
    }

    report = await chain.undo()

    assert report.failed == ()
    assert chain.state() == before


async def test_the_agent_goes_on_after_a_flush(chain: Chain) -> None:
    chain.ground.agent("src/text.py", changed(5, 30))
    await chain.decide("src/text.py", Verdict.ACCEPTED, 0)
    assert await chain.apply() == []

    chain.ground.agent("src/text.py", changed(5, 30, 55))

    item = await chain.item("src/text.py")
    assert [item.hunk_verdict(hunk.id) for hunk in item.hunks] == [Verdict.UNDECIDED] * 2
    await chain.decide("src/text.py", Verdict.ACCEPTED, 1)
    assert await chain.apply() == []
    assert (chain.ground.workspace / "src/text.py").read_bytes() == changed(5, 55)


async def test_the_users_edit_and_the_agents_are_merged(chain: Chain) -> None:
    chain.ground.agent("src/text.py", changed(5, 30))
    chain.ground.write("src/text.py", changed(50))
    await chain.decide("src/text.py", Verdict.ACCEPTED)

    assert await chain.apply() == []

    assert (chain.ground.workspace / "src/text.py").read_bytes() == changed(5, 30, 50)
    assert (await chain.review.list()).items == ()


async def test_a_file_that_the_host_made_is_no_change_and_stays(chain: Chain) -> None:
    chain.ground.write("mine.txt", "mine\n")
    chain.ground.agent("dir/c", "c\n")
    await chain.decide("dir/c", Verdict.ACCEPTED)

    await chain.apply()

    assert (chain.ground.workspace / "mine.txt").read_bytes() == b"mine\n"
    assert (chain.ground.workspace / "secret/.env").read_bytes() == b"KEY=1\n"


async def test_a_replaced_directory_keeps_what_the_agent_did_not_see(chain: Chain) -> None:
    chain.ground.remove("secret")
    items = (await chain.review.list()).items

    for item in items:
        await chain.review.decide([Decision(change=item.change.id, verdict=Verdict.ACCEPTED)])
    await chain.apply()

    assert (chain.ground.workspace / "secret/.env").read_bytes() == b"KEY=1\n"


async def test_a_file_becomes_a_directory_and_the_reverse(chain: Chain) -> None:
    before = chain.state()
    chain.ground.opaque("gone.txt")
    chain.ground.agent("gone.txt/inner", "inner\n")
    chain.ground.agent("dir", "a file now\n")
    await chain.review.accept_ordinary()

    assert await chain.apply() == []

    assert (chain.ground.workspace / "gone.txt/inner").read_bytes() == b"inner\n"
    assert (chain.ground.workspace / "dir").read_bytes() == b"a file now\n"
    await chain.undo()
    assert chain.state() == before


async def test_what_can_not_be_written_is_undecided_with_its_reason(chain: Chain) -> None:
    chain.ground.agent("src/text.py", changed(5))
    chain.ground.agent("dir/a", "changed\n")
    await chain.review.accept_ordinary()
    full = Failing(point=FaultPoint.PART_WRITTEN, nth=1)
    flush = replace(chain.flush, flusher=chain.flusher(full))

    report = await flush((await flush.plan()).hash)

    assert [str(result.path) for result in report.failed] == ["dir/a"]
    item = await chain.item("dir/a")
    assert (item.verdict, item.failure) == (
        Verdict.UNDECIDED,
        "dir/a: No space left on device",
    )
    assert (chain.ground.workspace / "src/text.py").read_bytes() == changed(5)
    await chain.decide("dir/a", Verdict.ACCEPTED)
    assert await chain.apply() == []
    assert (await chain.review.list()).items == ()
