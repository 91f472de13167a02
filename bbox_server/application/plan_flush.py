# SPDX-License-Identifier: Apache-2.0
"""Plan a flush: what is accepted, against the workspace as it is now."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from typing_extensions import override

from bbox_server.application.review_changes import ReviewChanges, is_editable
from bbox_server.domain.change import (
    Change,
    ChangeId,
    ChangeKind,
    ChangeSet,
    Entry,
    EntryKind,
    Side,
    Tier,
)
from bbox_server.domain.commit import pending
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import ContentSource, WorkspaceFiles
from bbox_server.domain.hunk import TEXT_LIMIT_BYTES, Differ, Merge, is_text
from bbox_server.domain.plan import (
    ConflictState,
    FlushPlan,
    MergeOutcome,
    Operation,
    Present,
    PresentKind,
    Skipped,
    SkipReason,
    Wanted,
    conflict_states,
    hash_plan,
    merges_needed,
    paths_to_observe,
)
from bbox_server.domain.planning import plan_flush
from bbox_server.domain.rebase import rebase
from bbox_server.domain.review import (
    Review,
    ReviewItem,
    ReviewState,
    ReviewStore,
    Verdict,
    unrejected,
)
from bbox_server.domain.snapshot import Overlay
from bbox_server.domain.workspace import Digest, WorkspacePath, digest_of

_UNMERGED: Final = MergeOutcome(digest=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedFlush(ContentSource):
    """A plan with what it was made of.

    Attributes:
        stored: Contents that are the user's decisions, and not simply the agent's file.
    """

    review: Review
    wanted: tuple[Wanted, ...]
    plan: FlushPlan
    stored: frozenset[Digest]
    overlay: Overlay
    reviews: ReviewStore

    @override
    async def read(self, operation: Operation) -> bytes:
        """The content of an operation, from the review or from the agent's side."""
        if operation.content in self.stored and operation.content is not None:
            return await self.reviews.get(operation.content)
        return await self.overlay.read(Side.AGENT, operation.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A text to be edited: what is not rejected of a change, merged with the user's own changes.

    Attributes:
        base: To give to `edit` with the edited text.
        conflicts: Places that are marked in the text, as git marks them.
    """

    base: Digest
    content: bytes
    conflicts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFlush:
    """Makes the plan of everything that is accepted. Changes nothing."""

    review: ReviewChanges
    files: WorkspaceFiles
    differ: Differ

    async def __call__(self, unsaved: AbstractSet[WorkspacePath] = frozenset()) -> PreparedFlush:
        """The plan now.

        Args:
            unsaved: Paths whose newest text is in an editor only; they are conflicts.

        Raises: workspace.invalid, snapshot.failed, review.stale, disk.full.
        """
        state = await self.review.reviews.load()
        review = await self.review.list()
        stored: set[Digest] = set()
        wanted: list[Wanted] = []
        skipped: list[Skipped] = []
        for item in review.accepted:
            if item.change.kind is ChangeKind.BULK:
                await self._expand(state, item.change, wanted, skipped)
            else:
                wanted += await self._wanted(state, item, stored)
        present = await self.files.observe(sorted(paths_to_observe(wanted)))
        merged = await self._merge(state, review, wanted, present)
        stored |= {outcome.digest for outcome in merged.values() if outcome.digest is not None}
        plan = plan_flush(wanted, present, merged, unsaved)
        return PreparedFlush(
            review=review,
            wanted=tuple(wanted),
            plan=hash_plan(
                replace(
                    plan,
                    skipped=(*plan.skipped, *skipped),
                    branches=pending(review.branches),
                )
            ),
            stored=frozenset(stored),
            overlay=self.review.overlay,
            reviews=self.review.reviews,
        )

    async def conflicts(self, items: Sequence[ReviewItem]) -> Mapping[ChangeId, ConflictState]:
        """How changes would meet the workspace now; those that meet nothing are left out.

        Raises: as `__call__`.
        """
        state = await self.review.reviews.load()
        taken = tuple(map(unrejected, filter(_meets_something, items)))
        stored: set[Digest] = set()
        wanted = [each for item in taken for each in await self._wanted(state, item, stored)]
        present = await self.files.observe(sorted(paths_to_observe(wanted)))
        merged = await self._merge(state, Review(revision=0, items=taken), wanted, present)
        return conflict_states(plan_flush(wanted, present, merged))

    async def draft(self, change: ChangeId) -> Draft:
        """What an edit of a change begins with.

        Raises: review.stale, flush.stale, review.invalid, dependency.missing.
        """
        state = await self.review.reviews.load()
        item = (await self.review.list()).item(change)
        if not is_editable(item.change):
            raise _not_editable(item, "no file that can be edited")
        draft = await self._merged_draft(state, unrejected(item))
        if not is_text(draft.content) or not _is_utf8(draft.content):
            raise _not_editable(item, "no text in UTF-8")
        return draft

    async def _merged_draft(self, state: ReviewState, item: ReviewItem) -> Draft:
        theirs = await self.review.result(state, item)
        path = item.change.path
        now = (await self.files.observe([path]))[path]
        sides = (item.change.agent, item.change.baseline)
        agent, *others = (side.digest for side in sides if side is not None)
        edited = agent if item.edit is None else item.edit.base
        if now.kind is not PresentKind.FILE or now.digest in {edited, agent, *others}:
            return Draft(base=edited or Digest(""), content=theirs, conflicts=0)
        ours = await self.files.read(path, TEXT_LIMIT_BYTES + 1)
        merge = await self._merge_texts(state, item, ours)
        if merge is None:
            raise _not_editable(item, "no text on all sides")
        return Draft(base=digest_of(ours), content=merge.content, conflicts=merge.conflicts)

    async def _expand(
        self, state: ReviewState, bulk: Change, wanted: list[Wanted], skipped: list[Skipped]
    ) -> None:
        parts = ChangeSet(changes=await self.review.overlay.expand(bulk), revision=0)
        bases = {path: base for path, base in state.bases.items() if bulk.path in path.parents}
        for part in rebase(parts, bases).changes:
            if part.withheld is None and part.tier is Tier.ORDINARY:
                wanted.append(
                    Wanted(change=bulk.id, path=part.path, base=part.baseline, result=part.agent)
                )
            else:
                reason = SkipReason.DECIDED_ON_ITS_OWN
                skipped.append(Skipped(change=bulk.id, path=part.path, reason=reason))

    async def _wanted(
        self, state: ReviewState, item: ReviewItem, stored: set[Digest]
    ) -> tuple[Wanted, ...]:
        change = item.change
        result = await self._result(state, item, stored)
        resolves = item.edit.base if item.edit is not None else None
        whole = Wanted(
            change=change.id,
            path=change.path,
            base=change.baseline,
            result=result,
            resolves=resolves,
        )
        if change.old_path is None:
            return (whole,)
        new = replace(whole, base=None)
        old = replace(whole, path=change.old_path, result=None, needs=change.path, resolves=None)
        return (new, old)

    async def _result(
        self, state: ReviewState, item: ReviewItem, stored: set[Digest]
    ) -> Entry | None:
        change = item.change
        if item.verdict is Verdict.ACCEPTED or change.agent is None:
            return change.agent
        content = await self.review.result(state, item)
        digest = await self.review.reviews.put(content)
        stored.add(digest)
        modes = {hunk.id for hunk in item.hunks if not hunk.lines}
        takes_mode = not modes or modes <= item.accepted_hunks or item.edit is not None
        mode = change.agent.mode if takes_mode or not change.baseline else change.baseline.mode
        return Entry(kind=EntryKind.FILE, mode=mode, size=len(content), digest=digest)

    async def _merge(
        self,
        state: ReviewState,
        review: Review,
        wanted: Sequence[Wanted],
        present: Mapping[WorkspacePath, Present],
    ) -> dict[WorkspacePath, MergeOutcome]:
        merged: dict[WorkspacePath, MergeOutcome] = {}
        for item in merges_needed(wanted, present):
            try:
                reviewed = review.item(item.change)
                merged[item.path] = await self._merge_one(state, reviewed, present[item.path])
            except BboxError as error:
                if error.code not in _NO_MERGE:
                    raise
                merged[item.path] = _UNMERGED
        return merged

    async def _merge_one(
        self, state: ReviewState, item: ReviewItem, present: Present
    ) -> MergeOutcome:
        ours = await self.files.read(item.change.path, TEXT_LIMIT_BYTES + 1)
        merge = await self._merge_texts(state, item, ours)
        if merge is None or digest_of(ours) != present.digest:
            return _UNMERGED
        if merge.conflicts:
            return MergeOutcome(digest=None, conflicts=merge.conflicts)
        return MergeOutcome(digest=await self.review.reviews.put(merge.content))

    async def _merge_texts(self, state: ReviewState, item: ReviewItem, ours: bytes) -> Merge | None:
        base = await self.review.side(state, item.change, Side.BASELINE)
        theirs = await self.review.result(state, item)
        if not all(map(is_text, (ours, base, theirs))):
            return None
        return await self.differ.merge(base=base, ours=ours, theirs=theirs)


# Without git, without the base, or when a file moves while it is read, there is a conflict and
# not a failure.
_NO_MERGE: Final = frozenset(
    {
        ErrorCode.DEPENDENCY_MISSING,
        ErrorCode.FLUSH_STALE,
        ErrorCode.PROCESS_FAILED,
        ErrorCode.SESSION_CORRUPT,
    }
)


def _meets_something(item: ReviewItem) -> bool:
    """Whether any of it may be flushed. A bulk's files are looked at when they are."""
    is_bulk = item.change.kind is ChangeKind.BULK
    return item.change.withheld is None and not is_bulk and item.verdict is not Verdict.REJECTED


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _not_editable(item: ReviewItem, what: str) -> BboxError:
    return BboxError(
        ErrorCode.REVIEW_INVALID,
        cause=f"{item.change.path} is {what}.",
        remediation="Accept or reject it as a whole.",
    )
