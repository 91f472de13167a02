# SPDX-License-Identifier: Apache-2.0
"""Any three trees: what the agent got, what it made of it, and what the user did meanwhile."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from hypothesis import example, given, settings
from hypothesis import strategies as st

from bbox_server.application.flush_changes import FlushChanges
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.application.undo_flush import UndoFlush
from bbox_server.domain.decision import Decision
from bbox_server.domain.flush import FlushReport
from bbox_server.domain.plan import FlushPlan
from bbox_server.domain.review import Verdict
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.flusher import DiskFlusher
from bbox_server.infra.workspace.present import DiskWorkspace
from tests.contract.test_flusher import lay_out, read_back
from tests.fakes.diff import PlainDiffer
from tests.fakes.overlay import MemoryOverlay, Node, Tree, tree
from tests.fakes.review import MemoryReviews

NAMES = ("a", "b", "d", "d/x", "d/y", "d/e", "d/e/z", "d/e/w", "f", "f/g")

nodes = st.one_of(
    st.builds(
        lambda content, mode: Node(content=content, mode=mode),
        st.sampled_from([b"", b"one\n", b"two\n", b"three\n"]),
        st.sampled_from([0o644, 0o755]),
    ),
    st.builds(lambda target: Node(target=target), st.sampled_from(["b", "d/x", "nowhere"])),
    st.just(Node()),
)
trees = st.dictionaries(st.sampled_from(NAMES), nodes, max_size=7).map(
    lambda files: consistent(tree(dict(files)))
)


def consistent(made: Tree) -> Tree:
    """Without what is below a file or link, and with every directory as a node."""
    leaves = {path for path, node in made.items() if node != Node()}
    kept = {path: node for path, node in made.items() if not leaves & set(path.parents)}
    for path in list(kept):
        kept |= {up: Node() for up in path.parents if up.parts}
    return kept


class Session:
    """A session on a workspace on a disk."""

    def __init__(self, root: Path, trees: tuple[Tree, Tree, Tree]) -> None:
        baseline, agent, user = trees
        self.workspace = root / "workspace"
        self.workspace.mkdir()
        lay_out(self.workspace, user)
        self.overlay = MemoryOverlay(baseline=baseline, agent=agent)
        reviews, differ = MemoryReviews(), PlainDiffer()
        place = HostPath(str(self.workspace))
        self.review = ReviewChanges(overlay=self.overlay, differ=differ, reviews=reviews)
        flusher = DiskFlusher(
            workspace=place,
            journals=HostPath(str(root / "flush")),
            lock=HostPath(str(root / "lock")),
            session=SessionId("00000001"),
        )
        planning = PlanFlush(
            review=self.review, files=DiskWorkspace(workspace=place), differ=differ
        )
        self.flush = FlushChanges(planning=planning, flusher=flusher)
        self.undo = UndoFlush(flusher=flusher, reviews=reviews)

    async def accept_all(self) -> None:
        for item in (await self.review.list()).flushable:
            await self.review.decide([Decision(change=item.change.id, verdict=Verdict.ACCEPTED)])

    async def apply(self) -> tuple[FlushPlan, FlushReport]:
        plan = await self.flush.plan()
        return plan, await self.flush(plan.hash)

    def now(self) -> Tree:
        return whole(read_back(self.workspace))


def whole(found: Tree) -> Tree:
    """With every directory as a node, whether anything is in it or not."""
    made = dict(found)
    for path in found:
        made |= {up: Node() for up in path.parents if up.parts}
    return made


def in_session(made: tuple[Tree, Tree, Tree], check: Callable[[Session], object]) -> None:
    async def run(root: Path) -> None:
        result = check(Session(root, made))
        if asyncio.iscoroutine(result):
            await result

    with tempfile.TemporaryDirectory(prefix="bbox-") as name:
        asyncio.run(run(Path(name)))


@settings(max_examples=60, deadline=None)
@given(baseline=trees, agent=trees)
@example(baseline=tree({"d/x": b"one\n", "d": Node()}), agent=tree({"d": b"two\n"}))
@example(baseline=tree({"d": b"two\n"}), agent=tree({"d/x": b"one\n", "d": Node()}))
def test_without_the_user_the_workspace_becomes_what_the_agent_made(
    baseline: Tree, agent: Tree
) -> None:
    async def check(session: Session) -> None:
        await session.accept_all()

        plan, report = await session.apply()

        assert plan.conflicts == ()
        assert report.failed == ()
        assert session.now() == agent
        assert (await session.review.list()).items == ()
        await session.undo()
        assert session.now() == baseline
        assert len((await session.review.list()).items) == len(
            (await session.overlay.changes()).changes
        )

    in_session((baseline, agent, baseline), check)


@settings(max_examples=120, deadline=None)
@given(baseline=trees, agent=trees, user=trees)
def test_nothing_of_the_users_is_lost(baseline: Tree, agent: Tree, user: Tree) -> None:
    async def check(session: Session) -> None:
        await session.accept_all()

        await session.apply()

        now = session.now()
        for path, node in user.items():
            if node != Node() and is_the_users(path, baseline, user) and node != agent.get(path):
                kept = now.get(path)
                assert kept is not None, path
                assert (kept.content, kept.target) == (node.content, node.target), path
        for path in now.keys() - user.keys():
            assert path in agent or any(path in other.parents for other in agent), path
        await session.undo()
        assert session.now() == user

    in_session((baseline, agent, user), check)


def is_the_users(path: PurePosixPath, baseline: Tree, user: Tree) -> bool:
    """Whether the user made or changed the content at a path."""
    before = baseline.get(path)
    now = user[path]
    return before is None or (before.content, before.target) != (now.content, now.target)


@settings(max_examples=40, deadline=None)
@given(baseline=trees, agent=trees, user=trees)
def test_a_second_flush_has_nothing_to_do(baseline: Tree, agent: Tree, user: Tree) -> None:
    async def check(session: Session) -> None:
        await session.accept_all()
        await session.apply()
        before = session.now()

        plan, _ = await session.apply()

        assert plan.operations == ()
        assert session.now() == before

    in_session((baseline, agent, user), check)
