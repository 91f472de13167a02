# SPDX-License-Identifier: Apache-2.0
"""What a flush leaves of a review: new bases, what failed, and the verdicts on the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bbox_server.domain.change import Change, ChangeId, ChangeKind, Hunk
from bbox_server.domain.flush import FlushId, FlushKind, FlushRecord, FlushReport, ResultKind
from bbox_server.domain.hunk import HunkPlace, place_of
from bbox_server.domain.plan import FlushPlan, SkipReason, Wanted
from bbox_server.domain.rebase import FlushedBase
from bbox_server.domain.review import (
    FlushedStep,
    Review,
    ReviewState,
    Verdict,
)
from bbox_server.domain.workspace import WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of each change that was to be flushed.

    Attributes:
        applied: Paths that now are as wanted, also those that were so before.
        failures: Changes with a path that is not, and why.
    """

    applied: tuple[Wanted, ...]
    failures: Mapping[ChangeId, str]


def settle(wanted: Sequence[Wanted], plan: FlushPlan, report: FlushReport) -> Settlement:
    """Sort what was wanted into what is there and what failed."""
    failures: dict[ChangeId, str] = {}
    bad_paths: set[WorkspacePath] = set()
    for result in report.failed:
        if result.result is not ResultKind.NOT_EMPTY:
            failures.setdefault(result.change, f"{result.path}: {result.detail}")
            bad_paths.add(result.path)
    for conflict in plan.conflicts:
        failures.setdefault(conflict.change, f"{conflict.path}: conflict, {conflict.reason}")
        bad_paths.add(conflict.path)
    for skipped in plan.skipped:
        if skipped.reason not in {SkipReason.ALREADY_THERE, SkipReason.NOT_EMPTY}:
            failures.setdefault(skipped.change, f"{skipped.path}: {skipped.reason}")
            bad_paths.add(skipped.path)
    return Settlement(
        applied=tuple(
            item
            for item in wanted
            if item.path not in bad_paths and not _is_half_rename(item, failures)
        ),
        failures=failures,
    )


def settle_late(wanted: Sequence[Wanted], plan: FlushPlan, record: FlushRecord) -> Settlement:
    """What a flush did that the review did not hear of: what it wrote, and is there still."""
    written = {r.path for r in record.results if r.result is ResultKind.APPLIED}
    there = {s.path for s in plan.skipped if s.reason is SkipReason.ALREADY_THERE}
    applied = tuple(item for item in wanted if item.path in written & there)
    return Settlement(applied=applied, failures={})


def is_unheard_flush(state: ReviewState, record: FlushRecord) -> bool:
    """Whether a crash came between the end of a flush and the review's being told."""
    is_flush = record.kind is FlushKind.FLUSH and record.undone_by is None
    return is_flush and all(step.flush != record.flush for step in state.flushes)


def is_unheard_undo(state: ReviewState, record: FlushRecord) -> bool:
    """Whether a crash came between the end of an undo and the review's being told."""
    return record.undone_by is not None and any(
        step.flush == record.flush for step in state.flushes
    )


def _is_half_rename(item: Wanted, failures: Mapping[ChangeId, str]) -> bool:
    return item.needs is not None and item.change in failures


def after_flush(
    state: ReviewState, review: Review, settlement: Settlement, flush: FlushId
) -> ReviewState:
    """The review's state once a flush is over; verdicts on what is left are carried by `carry`.

    What failed is undecided again. Decisions from before can't be taken back any more: that is
    the undo of the flush.
    """
    tiers = {item.change.id: item.change.tier for item in review.items}
    bases = {
        item.path: FlushedBase(
            original=state.bases[item.path].original if item.path in state.bases else item.base,
            accepted=item.result,
            tier=tiers[item.change],
        )
        for item in settlement.applied
    }
    for bulk in _whole_bulks(review, settlement):
        base = FlushedBase(original=None, accepted=bulk.agent, tier=bulk.tier)
        bases[bulk.path] = base
    flushed = {item.change for item in settlement.applied} | set(settlement.failures)
    spent = {key for item in review.items if item.change.id in flushed for key in item.keys}
    step = FlushedStep(flush=flush, bases={path: state.bases.get(path) for path in bases})
    return replace(
        state,
        verdicts={key: value for key, value in state.verdicts.items() if key not in spent},
        edits={key: value for key, value in state.edits.items() if key not in flushed},
        failures=dict(settlement.failures),
        history=(),
        bases={**state.bases, **bases},
        flushes=(*state.flushes, step),
    )


def _whole_bulks(review: Review, settlement: Settlement) -> Iterable[Change]:
    applied = {item.change for item in settlement.applied} - settlement.failures.keys()
    changes = (item.change for item in review.items if item.change.id in applied)
    return (change for change in changes if change.kind is ChangeKind.BULK)


def after_undo(
    state: ReviewState, flush: FlushId, restored: Iterable[WorkspacePath]
) -> ReviewState:
    """The review's state once a flush is undone; what came back is to be decided anew."""
    step = next((step for step in state.flushes if step.flush == flush), None)
    if step is None:
        return state
    bases = dict(state.bases)
    back = set(restored)
    # The base of a bulk is no path that was flushed itself: it goes with what is in it.
    back |= {path for path in step.bases if any(path in other.parents for other in back)}
    for path in back & set(step.bases):
        previous = step.bases[path]
        if previous is None:
            bases.pop(path, None)
        else:
            bases[path] = previous
    flushes = tuple(other for other in state.flushes if other.flush != flush)
    return replace(state, bases=bases, flushes=flushes, history=(), failures={})


def carry(places: Mapping[HunkPlace, Verdict], hunks: Sequence[Hunk]) -> dict[str, Verdict]:
    """Verdicts for the hunks that lie in the new base where one was decided in the old."""
    return {
        hunk.id: places[place_of(hunk)] for hunk in hunks if hunk.lines and place_of(hunk) in places
    }
