# SPDX-License-Identifier: Apache-2.0
"""Changes, hunks, verdicts and flushes on the wire (protocol.md)."""

from typing import Final

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    Entry,
    EntryKind,
    Hunk,
    HunkLine,
    Tier,
    WithheldReason,
)
from bbox_server.domain.flush import FlushKind, FlushReport, ResultKind
from bbox_server.domain.plan import (
    ConflictReason,
    ConflictState,
    FlushPlan,
    OperationKind,
    SkipReason,
)
from bbox_server.domain.review import Review, ReviewItem, Verdict
from bbox_server.domain.review_note import Note
from bbox_server.wire.commit import BranchMessage, RefMessage, branch_message, ref_message
from bbox_server.wire.model import Message

NO_NEWLINE: Final = "\\ No newline at end of file"
"""What stands after a line that has no end, as in every unified diff."""


class SideMessage(Message):
    """What a path is on one side."""

    kind: EntryKind
    mode: int
    size: int
    hash: str | None = None
    link_target: str | None = None


class HunkMessage(Message):
    """A part of a change that is decided on its own. `diff` are its lines as a unified diff."""

    id: str
    header: str
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    verdict: Verdict
    diff: str


class ChangeMessage(Message):
    """One differing path, with what is decided about it.

    `added` and `removed` count lines, where there are hunks. A list may leave `hunks` out; then
    `hunkCount` says how many there are. `conflict` is how what is not rejected would meet the
    workspace as it is now.
    """

    id: str
    path: str
    kind: ChangeKind
    tier: Tier
    verdict: Verdict
    old_path: str | None = None
    baseline: SideMessage | None = None
    agent: SideMessage | None = None
    conflict: ConflictState = ConflictState.NONE
    withheld: WithheldReason | None = None
    reason: str | None = None
    notes: tuple[Note, ...] = ()
    failure: str | None = None
    bulk_count: int | None = None
    added: int | None = None
    removed: int | None = None
    hunk_count: int = 0
    hunks: tuple[HunkMessage, ...] = ()


class ReviewMessage(Message):
    """A session's changes at one revision."""

    session: str
    revision: int
    changes: tuple[ChangeMessage, ...]
    branches: tuple[BranchMessage, ...] = ()


class OperationMessage(Message):
    """One step of a flush."""

    change: str
    path: str
    kind: OperationKind
    merged: bool = False


class ConflictMessage(Message):
    """An accepted path that can't be applied as things are."""

    change: str
    path: str
    reason: ConflictReason


class SkippedMessage(Message):
    """An accepted path that a flush leaves alone."""

    change: str
    path: str
    reason: SkipReason


class PlanMessage(Message):
    """What a flush would do; `plan_hash` names exactly this.

    `hardLinked` are files with other names, which keep the old content; `branches` are fetched,
    their commits are in the list of changes.
    """

    session: str
    plan_hash: str
    operations: tuple[OperationMessage, ...]
    conflicts: tuple[ConflictMessage, ...]
    skipped: tuple[SkippedMessage, ...]
    hard_linked: tuple[str, ...] = ()
    branches: tuple[BranchMessage, ...] = ()


class ResultMessage(Message):
    """What became of one path."""

    change: str
    path: str
    kind: OperationKind
    result: ResultKind
    detail: str | None = None


class FlushMessage(Message):
    """What a flush or an undo did."""

    session: str
    flush: int
    kind: FlushKind
    results: tuple[ResultMessage, ...]
    refs: tuple[RefMessage, ...] = ()


def review_message(session: str, review: Review) -> ReviewMessage:
    """A review for a client."""
    return ReviewMessage(
        session=session,
        revision=review.revision,
        changes=tuple(change_message(item) for item in review.items),
        branches=tuple(map(branch_message, review.branches)),
    )


def plan_message(session: str, plan: FlushPlan) -> PlanMessage:
    """A plan for a client."""
    return PlanMessage(
        session=session,
        plan_hash=plan.hash,
        operations=tuple(
            OperationMessage(
                change=operation.change,
                path=str(operation.path),
                kind=operation.kind,
                merged=operation.merged,
            )
            for operation in plan.operations
        ),
        conflicts=tuple(
            ConflictMessage(change=item.change, path=str(item.path), reason=item.reason)
            for item in plan.conflicts
        ),
        skipped=tuple(
            SkippedMessage(change=item.change, path=str(item.path), reason=item.reason)
            for item in plan.skipped
        ),
        hard_linked=tuple(map(str, plan.hard_linked)),
        branches=tuple(branch_message(one, with_commits=False) for one in plan.branches),
    )


def flush_message(session: str, report: FlushReport) -> FlushMessage:
    """A flush's report for a client."""
    return FlushMessage(
        session=session,
        flush=report.flush,
        kind=report.kind,
        results=tuple(
            ResultMessage(
                change=result.change,
                path=str(result.path),
                kind=result.operation,
                result=result.result,
                detail=result.detail or None,
            )
            for result in report.results
        ),
        refs=tuple(map(ref_message, report.refs)),
    )


def change_message(
    item: ReviewItem,
    *,
    with_hunks: bool = True,
    conflict: ConflictState = ConflictState.NONE,
) -> ChangeMessage:
    """A change for a client."""
    change: Change = item.change
    origins = [line.origin for hunk in item.hunks for line in hunk.lines]
    return ChangeMessage(
        id=change.id,
        path=str(change.path),
        kind=change.kind,
        tier=change.tier,
        verdict=item.verdict,
        old_path=str(change.old_path) if change.old_path else None,
        baseline=side_message(change.baseline),
        agent=side_message(change.agent),
        conflict=conflict,
        withheld=change.withheld,
        reason=item.reason or None,
        notes=item.notes,
        failure=item.failure or None,
        bulk_count=change.bulk_count or None,
        added=origins.count("+") if item.hunks else None,
        removed=origins.count("-") if item.hunks else None,
        hunk_count=len(item.hunks),
        hunks=tuple(_hunk(item, hunk) for hunk in item.hunks) if with_hunks else (),
    )


def _hunk(item: ReviewItem, hunk: Hunk) -> HunkMessage:
    return HunkMessage(
        id=hunk.id,
        header=hunk.header,
        old_start=hunk.old_start,
        old_lines=hunk.old_lines,
        new_start=hunk.new_start,
        new_lines=hunk.new_lines,
        verdict=item.hunk_verdict(hunk.id),
        diff="".join(map(_line, hunk.lines)),
    )


def _line(line: HunkLine) -> str:
    text = line.origin + line.content.decode("utf-8", "surrogateescape")
    return text if text.endswith("\n") else f"{text}\n{NO_NEWLINE}\n"


def side_message(entry: Entry | None) -> SideMessage | None:
    """One side of a change for a client."""
    if entry is None:
        return None
    return SideMessage(
        kind=entry.kind,
        mode=entry.mode,
        size=entry.size,
        hash=entry.digest,
        link_target=entry.link_target,
    )
