# SPDX-License-Identifier: Apache-2.0
"""Decisions: the acts that change a review, and what may be decided together."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from bbox_server.domain.change import ChangeId, HunkId, Tier
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import (
    Edit,
    Review,
    ReviewItem,
    ReviewState,
    Step,
    Verdict,
    stale,
)
from bbox_server.domain.workspace import WorkspacePath

_K = TypeVar("_K")
_V = TypeVar("_V")

HISTORY_LIMIT: Final = 500
"""Steps that can be taken back."""


SETTABLE: Final = frozenset({Verdict.UNDECIDED, Verdict.ACCEPTED, Verdict.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict for a change as a whole, or for one of its hunks."""

    change: ChangeId
    verdict: Verdict
    hunk: HunkId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAcceptance:
    """What one "accept all" may decide.

    Attributes:
        decisions: Of ordinary changes, and of build files where all were confirmed by name.
        to_confirm: Build files that have to be named first.
        one_by_one: Changes that only a decision of their own accepts.
    """

    decisions: tuple[Decision, ...]
    to_confirm: tuple[WorkspacePath, ...]
    one_by_one: tuple[WorkspacePath, ...]


def decide(
    state: ReviewState,
    review: Review,
    decisions: Sequence[Decision],
    confirmed: AbstractSet[WorkspacePath] = frozenset(),
) -> ReviewState:
    """The state with all decisions made, or none of them.

    Args:
        state: What is decided so far.
        review: What the decisions were made on.
        decisions: At most one change that runs on the host may be accepted, and only alone.
        confirmed: Build files that the user was shown by name; needed to accept several changes
            with build files among them at once.

    Raises:
        BboxError: review.stale when an identifier is not of this review; review.invalid when the
            decision may not be made at all, or not together with the others.
    """
    verdicts: dict[str, Verdict] = {}
    for decision in decisions:
        item = review.item(decision.change)
        _check_decision(item, decision)
        verdicts.update(dict.fromkeys(_keys(review, item, decision), decision.verdict))
    _check_bulk(review, decisions, confirmed)
    edits = {decision.change: None for decision in decisions if decision.change in state.edits}
    return _changed(state, verdicts, edits)


def edit(state: ReviewState, item: ReviewItem, made: Edit) -> ReviewState:
    """The state with the user's own text as the result of a change."""
    if item.change.withheld is not None:
        raise _invalid(item, "it is withheld from the workspace")
    return _changed(state, {}, {item.change.id: made})


def undo(state: ReviewState) -> ReviewState:
    """The state before the last decision. Raises: review.invalid where there is none."""
    if not state.history:
        raise BboxError(
            ErrorCode.REVIEW_INVALID,
            cause="No decision is left to take back.",
            remediation="Decide anew, or use undo of the flush for what was applied.",
        )
    last = state.history[-1]
    return replace(
        state,
        verdicts=_overlaid(state.verdicts, last.verdicts),
        edits=_overlaid(state.edits, last.edits),
        history=state.history[:-1],
    )


def accept_in_bulk(
    items: Iterable[ReviewItem], confirmed: AbstractSet[WorkspacePath] = frozenset()
) -> BulkAcceptance:
    """Accept what is undecided and may be accepted together.

    Build files go in only when every one of them is in `confirmed`; what runs on the host never.
    """
    open_items = [item for item in items if item.change.withheld is None and not item.is_decided]
    build_files = tuple(_paths(open_items, Tier.BUILD_FILE))
    all_named = set(build_files) <= confirmed
    taken = {Tier.ORDINARY, Tier.BUILD_FILE} if all_named else {Tier.ORDINARY}
    return BulkAcceptance(
        decisions=tuple(
            decision
            for item in open_items
            if item.change.tier in taken
            for decision in _accept_rest(item)
        ),
        to_confirm=() if all_named else build_files,
        one_by_one=tuple(_paths(open_items, Tier.EXECUTES_ON_HOST)),
    )


def _accept_rest(item: ReviewItem) -> Iterable[Decision]:
    hunks = [hunk.id for hunk in item.hunks if hunk.id not in item.verdicts]
    for hunk in hunks or (None,):
        yield Decision(change=item.change.id, hunk=hunk, verdict=Verdict.ACCEPTED)


def _paths(items: Iterable[ReviewItem], tier: Tier) -> Iterable[WorkspacePath]:
    return (item.change.path for item in items if item.change.tier is tier)


def _keys(review: Review, item: ReviewItem, decision: Decision) -> tuple[str, ...]:
    if decision.hunk is None:
        return item.keys
    if decision.hunk not in item.keys:
        raise stale(review.revision, f"{item.change.path} has no hunk {decision.hunk}")
    return (decision.hunk,)


def _check_decision(item: ReviewItem, decision: Decision) -> None:
    if decision.verdict not in SETTABLE:
        raise _invalid(item, f"“{decision.verdict}” can't be set")
    if item.change.withheld is not None and decision.verdict is Verdict.ACCEPTED:
        raise _invalid(item, f"it is withheld from the workspace ({item.change.withheld})")


def _check_bulk(
    review: Review, decisions: Sequence[Decision], confirmed: AbstractSet[WorkspacePath]
) -> None:
    accepted = {d.change for d in decisions if d.verdict is Verdict.ACCEPTED}
    if len(accepted) <= 1:
        return
    for item in map(review.item, sorted(accepted)):
        if item.change.tier is Tier.EXECUTES_ON_HOST:
            raise _invalid(item, f"{item.reason}, so it is decided on its own")
        if item.change.tier is Tier.BUILD_FILE and item.change.path not in confirmed:
            raise _invalid(item, f"{item.reason}, so it has to be confirmed by name")


def _changed(
    state: ReviewState,
    verdicts: Mapping[str, Verdict],
    edits: Mapping[ChangeId, Edit | None],
) -> ReviewState:
    step = Step(
        verdicts={key: state.verdicts.get(key) for key in verdicts},
        edits={key: state.edits.get(key) for key in edits},
    )
    settled = {key: None if v is Verdict.UNDECIDED else v for key, v in verdicts.items()}
    return replace(
        state,
        verdicts=_overlaid(state.verdicts, settled),
        edits=_overlaid(state.edits, edits),
        history=(*state.history, step)[-HISTORY_LIMIT:],
    )


def _overlaid(old: Mapping[_K, _V], new: Mapping[_K, _V | None]) -> dict[_K, _V]:
    merged = {key: value for key, value in old.items() if key not in new}
    return merged | {key: value for key, value in new.items() if value is not None}


def _invalid(item: ReviewItem, cause: str) -> BboxError:
    return BboxError(
        ErrorCode.REVIEW_INVALID,
        cause=f"{item.change.path}: {cause}.",
        remediation="Decide on this change by itself, or reject it.",
    )
