# SPDX-License-Identifier: Apache-2.0
"""Messages of a review as the domain's values, for clients that show them as their own."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from bbox_server.domain.change import Change, ChangeId, Entry, Hunk, HunkId, HunkLine
from bbox_server.domain.flush import FlushId, FlushReport, PathResult
from bbox_server.domain.plan import (
    ABSENT,
    Conflict,
    FlushPlan,
    Operation,
    PlanHash,
    Present,
    PresentKind,
    Skipped,
)
from bbox_server.domain.review import Edit, Review, ReviewItem, Verdict
from bbox_server.domain.session import ExitStatus
from bbox_server.domain.workspace import Digest
from bbox_server.wire.commit import branch_of, update_of
from bbox_server.wire.review import (
    NO_NEWLINE,
    ChangeMessage,
    FlushMessage,
    HunkMessage,
    PlanMessage,
    SideMessage,
)
from bbox_server.wire.session import ExitMessage

_NOTHING = Digest("")


def review_of(revision: int, changes: Iterable[ChangeMessage]) -> Review:
    """A review; of an edit only that there is one."""
    return Review(revision=revision, items=tuple(map(item_of, changes)))


def item_of(message: ChangeMessage) -> ReviewItem:
    """A change with its verdicts."""
    change = ChangeId(message.id)
    verdicts = {hunk.id: hunk.verdict for hunk in message.hunks} or {change: message.verdict}
    is_edited = message.verdict is Verdict.EDITED
    return ReviewItem(
        change=Change(
            id=change,
            path=PurePosixPath(message.path),
            kind=message.kind,
            tier=message.tier,
            baseline=_entry(message.baseline),
            agent=_entry(message.agent),
            old_path=None if message.old_path is None else PurePosixPath(message.old_path),
            withheld=message.withheld,
            bulk_count=message.bulk_count or 0,
            mode_changed=_mode_changed(message),
        ),
        hunks=tuple(map(hunk_of, message.hunks)),
        verdicts={
            key: verdict
            for key, verdict in verdicts.items()
            if verdict not in {Verdict.UNDECIDED, Verdict.EDITED}
        },
        edit=Edit(base=_NOTHING, content=_NOTHING) if is_edited else None,
        reason=message.reason or "",
        notes=message.notes,
        failure=message.failure or "",
    )


def hunk_of(message: HunkMessage) -> Hunk:
    """A hunk with its lines."""
    return Hunk(
        id=HunkId(message.id),
        old_start=message.old_start,
        old_lines=message.old_lines,
        new_start=message.new_start,
        new_lines=message.new_lines,
        lines=tuple(_lines(message.diff)),
        header=message.header,
    )


def _lines(diff: str) -> Iterator[HunkLine]:
    texts = diff.removesuffix("\n").split("\n") if diff else []
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        if text != NO_NEWLINE:
            end = "" if following == NO_NEWLINE else "\n"
            content = (text[1:] + end).encode("utf-8", "surrogateescape")
            yield HunkLine(origin=text[:1], content=content)


def plan_of(message: PlanMessage) -> FlushPlan:
    """A plan, as far as it is shown."""
    linked = set(message.hard_linked)
    return FlushPlan(
        operations=tuple(
            Operation(
                change=ChangeId(operation.change),
                path=PurePosixPath(operation.path),
                kind=operation.kind,
                expected=Present(kind=PresentKind.FILE, links=2)
                if operation.path in linked
                else ABSENT,
                merged=operation.merged,
            )
            for operation in message.operations
        ),
        conflicts=tuple(
            Conflict(
                change=ChangeId(item.change), path=PurePosixPath(item.path), reason=item.reason
            )
            for item in message.conflicts
        ),
        skipped=tuple(
            Skipped(change=ChangeId(item.change), path=PurePosixPath(item.path), reason=item.reason)
            for item in message.skipped
        ),
        branches=tuple(map(branch_of, message.branches)),
        hash=PlanHash(message.plan_hash),
    )


def report_of(message: FlushMessage) -> FlushReport:
    """What a flush did."""
    return FlushReport(
        flush=FlushId(message.flush),
        kind=message.kind,
        results=tuple(
            PathResult(
                change=ChangeId(result.change),
                path=PurePosixPath(result.path),
                operation=result.kind,
                result=result.result,
                detail=result.detail or "",
            )
            for result in message.results
        ),
        refs=tuple(map(update_of, message.refs)),
    )


def exit_of(message: ExitMessage | None) -> ExitStatus:
    """How an agent ended; one that nobody saw end was killed."""
    if message is None:
        return ExitStatus(code=None, signal="KILL")
    return ExitStatus(code=message.code, signal=message.signal, out_of_memory=message.out_of_memory)


def _entry(side: SideMessage | None) -> Entry | None:
    if side is None:
        return None
    return Entry(
        kind=side.kind,
        mode=side.mode,
        size=side.size,
        digest=None if side.hash is None else Digest(side.hash),
        link_target=side.link_target,
    )


def _mode_changed(message: ChangeMessage) -> bool:
    if message.baseline is None or message.agent is None:
        return False
    return (message.baseline.mode ^ message.agent.mode) & 0o100 != 0
