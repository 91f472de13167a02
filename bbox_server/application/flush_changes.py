# SPDX-License-Identifier: Apache-2.0
"""Flush what is accepted: exactly the plan that the user was shown, or nothing."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from bbox_server.application.plan_flush import PlanFlush, PreparedFlush
from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.change import ChangeKind, EntryKind, Side
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import Flusher, FlushId, FlushReport, ResultKind
from bbox_server.domain.hunk import HunkPlace, rest_after
from bbox_server.domain.plan import FlushPlan, PlanHash
from bbox_server.domain.review import Review, ReviewItem, ReviewState, Verdict
from bbox_server.domain.settling import (
    Settlement,
    after_flush,
    after_undo,
    carry,
    is_unheard_flush,
    is_unheard_undo,
    settle,
    settle_late,
)
from bbox_server.domain.workspace import WorkspacePath, digest_of

Rest = dict[HunkPlace, Verdict] | None
"""Verdicts on the hunks that are left of a file. None stands for an edited file: all that is left
of the agent's is as good as rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushChanges:
    """Plans and applies, under the workspace's lock."""

    planning: PlanFlush
    flusher: Flusher

    async def plan(self, unsaved: AbstractSet[WorkspacePath] = frozenset()) -> FlushPlan:
        """What a flush would do now; interrupted ones are recovered first.

        Args:
            unsaved: As PlanFlush.

        Raises: flush.busy, flush.journal-corrupt, workspace.invalid, review.stale, disk.full.
        """
        async with self.flusher.lock():
            return (await self._prepare(unsaved)).plan

    async def __call__(
        self, shown: PlanHash, unsaved: AbstractSet[WorkspacePath] = frozenset()
    ) -> FlushReport:
        """Apply the plan of that hash, which was made with these unsaved paths.

        Raises: flush.stale when the plan is another one by now, and nothing is applied; else as
        `plan`, and disk.full or flush.failed when the flush's own records can't be kept.
        """
        async with self.flusher.lock():
            prepared = await self._prepare(unsaved)
            if prepared.plan.hash != shown:
                raise BboxError(
                    ErrorCode.FLUSH_STALE,
                    cause="The workspace or the decisions are not those of the plan any more.",
                    remediation="Look at the new plan, and flush that.",
                )
            report = await self.flusher.apply(prepared.plan, prepared)
            settlement = settle(prepared.wanted, prepared.plan, report)
            await self._settle(prepared, settlement, report.flush)
            # Last: a crash before it leaves commits that are pending still, and nothing to repair.
            refs = await self._commits.take(prepared.plan.branches, report.flush)
            return replace(report, refs=refs)

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches to the commits that a flush fetched. Raises: flush.busy."""
        async with self.flusher.lock():
            return await self._commits.forward(flush)

    @property
    def _commits(self) -> AgentCommits:
        return self.planning.review.commits

    async def _prepare(self, unsaved: AbstractSet[WorkspacePath]) -> PreparedFlush:
        await self.flusher.recover()
        await self._catch_up()
        return await self.planning(unsaved)

    async def _catch_up(self) -> None:
        """Tell the review of flushes and undos that ended while nobody was there to do it."""
        reviews = self.planning.review.reviews
        records = await self.flusher.records()
        for record in records:
            state = await reviews.load()
            if is_unheard_undo(state, record):
                undo = next(other for other in records if other.flush == record.undone_by)
                restored = {r.path for r in undo.results if r.result is ResultKind.APPLIED}
                await reviews.save(after_undo(state, record.flush, restored))
            elif is_unheard_flush(state, record):
                prepared = await self.planning()
                settlement = settle_late(prepared.wanted, prepared.plan, record)
                await self._settle(prepared, settlement, record.flush)

    async def _settle(
        self, prepared: PreparedFlush, settlement: Settlement, flush: FlushId
    ) -> None:
        reviews = self.planning.review.reviews
        before = await reviews.load()
        await self._keep_bases(prepared, settlement)
        places = _rest(prepared.review, settlement)
        after = after_flush(before, prepared.review, settlement, flush)
        await reviews.save(after)
        await self._carry(after, places)

    async def _keep_bases(self, prepared: PreparedFlush, settlement: Settlement) -> None:
        """Keep the contents that later reviews and merges are relative to."""
        bulks = {
            item.change.id for item in prepared.review.items if item.change.kind is ChangeKind.BULK
        }
        for item in settlement.applied:
            result = item.result
            is_file = result is not None and result.kind is EntryKind.FILE
            if not is_file or result is None or item.change in bulks:
                continue
            if result.digest in prepared.stored:
                continue
            content = await prepared.overlay.read(Side.AGENT, item.path)
            if digest_of(content) == result.digest:
                await prepared.reviews.put(content)

    async def _carry(self, state: ReviewState, rest: Mapping[WorkspacePath, Rest]) -> None:
        if not rest:
            return
        carried: dict[str, Verdict] = {}
        for item in (await self.planning.review.list()).items:
            carried.update(_carried(item, rest.get(item.change.path, {})))
        verdicts = {**state.verdicts, **carried}
        await self.planning.review.reviews.save(replace(state, verdicts=verdicts))


def _rest(review: Review, settlement: Settlement) -> dict[WorkspacePath, Rest]:
    """Where the hunks that were not flushed are in the new base, with their verdicts."""
    applied = {item.path for item in settlement.applied}
    rest: dict[WorkspacePath, Rest] = {}
    for item in review.accepted:
        if item.change.path in applied and item.edit is not None:
            rest[item.change.path] = None
        elif item.change.path in applied and item.verdict is Verdict.MIXED:
            rest[item.change.path] = {
                place: item.hunk_verdict(hunk)
                for hunk, place in rest_after(item.hunks, item.accepted_hunks)
                if item.hunk_verdict(hunk) is not Verdict.UNDECIDED
            }
    return rest


def _carried(item: ReviewItem, rest: Rest) -> Mapping[str, Verdict]:
    if rest is None:
        return dict.fromkeys(item.keys, Verdict.REJECTED)
    if item.hunks:
        return carry(rest, item.hunks)
    # Only the executable bit is left: that is a change as a whole now.
    is_rejected = set(rest.values()) == {Verdict.REJECTED}
    return {item.change.id: Verdict.REJECTED} if is_rejected else {}
