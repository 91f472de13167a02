# SPDX-License-Identifier: Apache-2.0
"""The review's use cases on fakes."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from bbox_server.application.flush_changes import FlushChanges
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.application.undo_flush import UndoFlush
from bbox_server.domain.change import HunkId
from bbox_server.domain.decision import Decision
from bbox_server.domain.flush import FlushReport
from bbox_server.domain.review import Review, ReviewItem, Verdict
from tests.fakes.agent_commits import MemoryCommits
from tests.fakes.diff import PlainDiffer
from tests.fakes.flush import MemoryFlusher, MemoryWorkspace
from tests.fakes.overlay import MemoryOverlay, Node, tree
from tests.fakes.review import MemoryReviews


@dataclass(frozen=True, kw_only=True)
class ReviewGround:
    """A session whose agent changed things, and its use cases."""

    overlay: MemoryOverlay
    workspace: MemoryWorkspace
    reviews: MemoryReviews
    review: ReviewChanges
    planning: PlanFlush
    flush: FlushChanges
    undo: UndoFlush
    commits: MemoryCommits

    def agent(self, name: str, content: bytes | Node | None) -> None:
        """The agent writes or, with None, deletes a path."""
        path = PurePosixPath(name)
        if content is None:
            del self.overlay.agent[path]
        else:
            self.overlay.agent |= tree({name: content})

    def user(self, name: str, content: bytes | Node | None) -> None:
        """The user does."""
        path = PurePosixPath(name)
        if content is None:
            del self.workspace.nodes[path]
        else:
            self.workspace.nodes |= tree({name: content})

    def content(self, name: str) -> bytes | None:
        """What the workspace has now."""
        node = self.workspace.nodes.get(PurePosixPath(name))
        return None if node is None else node.content

    async def item(self, name: str) -> ReviewItem:
        review = await self.review.list()
        return next(item for item in review.items if item.change.path == PurePosixPath(name))

    async def decide(self, name: str, verdict: Verdict, *hunks: int) -> Review:
        """Decide on a change, or on some of its hunks by their index."""
        item = await self.item(name)
        chosen: list[HunkId | None] = [item.hunks[index].id for index in hunks]
        return await self.review.decide(
            [
                Decision(change=item.change.id, hunk=hunk, verdict=verdict)
                for hunk in chosen or [None]
            ]
        )

    async def accept(self, *names: str) -> None:
        for name in names:
            await self.decide(name, Verdict.ACCEPTED)

    async def apply(self) -> FlushReport:
        return await self.flush((await self.flush.plan()).hash)


def ground(baseline: dict[str, bytes | Node], agent: dict[str, bytes | Node]) -> ReviewGround:
    """A workspace that is still as the agent got it."""
    overlay = MemoryOverlay(baseline=tree(baseline), agent=tree(agent))
    workspace = MemoryWorkspace(nodes=tree(baseline))
    reviews, differ = MemoryReviews(), PlainDiffer()
    commits = MemoryCommits()
    review = ReviewChanges(overlay=overlay, differ=differ, reviews=reviews, commits=commits)
    planning = PlanFlush(review=review, files=workspace, differ=differ)
    flusher = MemoryFlusher(workspace=workspace)
    return ReviewGround(
        overlay=overlay,
        workspace=workspace,
        reviews=reviews,
        review=review,
        planning=planning,
        flush=FlushChanges(planning=planning, flusher=flusher),
        undo=UndoFlush(flusher=flusher, reviews=reviews, commits=commits),
        commits=commits,
    )


def lines(*numbers: int, count: int = 60) -> bytes:
    """A text of numbered lines; those named are changed."""
    return b"".join(
        b"line %d%s\n" % (number, b" changed" if number in numbers else b"")
        for number in range(1, count + 1)
    )
