# SPDX-License-Identifier: Apache-2.0
"""Changes, files, decisions and flushes of one session."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from bbox_server.domain.change import ChangeId, Side
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId, FlushReport
from bbox_server.domain.plan import ConflictState, PlanHash
from bbox_server.domain.review import Review, ReviewItem
from bbox_server.domain.session import EventKind
from bbox_server.domain.workspace import Digest
from bbox_server.entrypoints.session_host.host import Host
from bbox_server.entrypoints.session_host.live_review import OpenedReview
from bbox_server.entrypoints.session_host.requests import confirmed, decisions, unsaved
from bbox_server.wire.commit import ForwardMessage, ForwardParams, branch_message, ref_message
from bbox_server.wire.model import Message, from_base64, to_base64
from bbox_server.wire.review import (
    FlushMessage,
    PlanMessage,
    change_message,
    flush_message,
    plan_message,
    side_message,
)
from bbox_server.wire.review_request import (
    READ_LIMIT_BYTES,
    ChangeDetail,
    ChangeParams,
    ChangesListParams,
    ChangesPage,
    DecideParams,
    DraftMessage,
    EditParams,
    FileContent,
    FileReadParams,
    FlushApplyParams,
    FlushPlanParams,
    FlushUndoParams,
    RangeMessage,
    Reviewed,
    SessionParams,
)

Conflicts = Callable[[ReviewItem], ConflictState]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewRequests:
    """What is begun is finished, also when the client that asked has left."""

    host: Host

    def answers(self) -> dict[str, Callable[[Any], Awaitable[Message]]]:
        """The methods by name."""
        return {
            "bbox/changes/list": self._list,
            "bbox/changes/get": self._get,
            "bbox/file/read": self._read,
            "bbox/review/decide": self._decide,
            "bbox/review/draft": self._draft,
            "bbox/review/edit": self._edit,
            "bbox/review/undo": self._undo,
            "bbox/flush/plan": self._plan,
            "bbox/flush/apply": self._apply,
            "bbox/flush/undo": self._undo_flush,
            "bbox/flush/forward": self._forward,
        }

    async def _list(self, params: ChangesListParams) -> ChangesPage:
        async with self.host.review() as review:
            listed = await review.changes.list()
            first = int(params.cursor) if params.cursor and params.cursor.isdecimal() else 0
            items = listed.items[first : first + params.limit]
            conflicts = await _conflicts(review, items)
        is_last = first + params.limit >= len(listed.items)
        return ChangesPage(
            session=params.session,
            revision=listed.revision,
            changes=tuple(
                change_message(item, with_hunks=params.with_hunks, conflict=conflicts(item))
                for item in items
            ),
            branches=() if first else tuple(map(branch_message, listed.branches)),
            next_cursor=None if is_last else str(first + params.limit),
        )

    async def _get(self, params: ChangeParams) -> ChangeDetail:
        async with self.host.review() as review:
            listed = await review.changes.list()
            item = listed.item(ChangeId(params.change))
            hunks = await review.changes.hunks(item.change.id)
            conflicts = await _conflicts(review, (item,))
        # Also what is decided as a whole has lines to show.
        message = change_message(replace(item, hunks=hunks), conflict=conflicts(item))
        verdict = change_message(item).verdict
        return ChangeDetail(
            session=params.session,
            revision=listed.revision,
            change=message.model_copy(update={"verdict": verdict, "hunk_count": len(item.hunks)}),
        )

    async def _read(self, params: FileReadParams) -> FileContent:
        async with self.host.review() as review:
            item = _at(await review.changes.list(), params.path)
            entry = item.change.baseline if params.side is Side.BASELINE else item.change.agent
            is_part = params.range is not None
            too_large = not is_part and entry is not None and entry.size > READ_LIMIT_BYTES
            content = b"" if too_large else await review.changes.read(params.side, item.change.id)
        size = entry.size if too_large and entry is not None else len(content)
        return FileContent(
            session=params.session,
            side=params.side,
            path=params.path,
            data=to_base64(_part(content, params.range)),
            size=size,
            entry=side_message(entry),
            too_large=too_large,
        )

    async def _decide(self, params: DecideParams) -> Reviewed:
        async def decide(review: OpenedReview) -> Review:
            return await review.changes.decide(decisions(params), confirmed(params))

        return await self._reviewed(decide)

    async def _draft(self, params: ChangeParams) -> DraftMessage:
        async with self.host.review() as review:
            draft = await review.planning.draft(ChangeId(params.change))
        return DraftMessage(
            session=params.session,
            change=params.change,
            base_hash=draft.base,
            data=to_base64(draft.content),
            conflicts=draft.conflicts,
        )

    async def _edit(self, params: EditParams) -> Reviewed:
        async def edit(review: OpenedReview) -> Review:
            return await review.changes.edit(
                ChangeId(params.change), Digest(params.base_hash), from_base64(params.data)
            )

        return await self._reviewed(edit)

    async def _undo(self, _: SessionParams) -> Reviewed:
        async def undo(review: OpenedReview) -> Review:
            return await review.changes.undo()

        return await self._reviewed(undo)

    async def _plan(self, params: FlushPlanParams) -> PlanMessage:
        async with self.host.review() as review:
            plan = await review.plan(unsaved(params))
        return plan_message(params.session, plan)

    async def _apply(self, params: FlushApplyParams) -> FlushMessage:
        async def apply() -> FlushReport:
            async with self.host.review() as review:
                return await review.flush(PlanHash(params.plan_hash), unsaved(params))

        return flush_message(params.session, await self.host.whole(apply()))

    async def _undo_flush(self, params: FlushUndoParams) -> FlushMessage:
        async def undo() -> FlushReport:
            async with self.host.review() as review:
                return await review.undo(None if params.flush is None else FlushId(params.flush))

        return flush_message(params.session, await self.host.whole(undo()))

    async def _forward(self, params: ForwardParams) -> ForwardMessage:
        async def forward() -> tuple[RefUpdate, ...]:
            async with self.host.review() as review:
                return await review.forward(FlushId(params.flush))

        refs = await self.host.whole(forward())
        return ForwardMessage(session=params.session, refs=tuple(map(ref_message, refs)))

    async def _reviewed(self, act: Callable[[OpenedReview], Awaitable[Review]]) -> Reviewed:
        async def acted() -> tuple[Review, tuple[ReviewItem, ...], Conflicts]:
            async with self.host.review() as review:
                before = {item.change.id: item for item in (await review.changes.list()).items}
                after = await act(review)
                found = tuple(i for i in after.items if before.get(i.change.id) != i)
                if not after.undecided and not after.accepted:
                    await review.settle()
                conflicts = await _conflicts(review, found)
            self.host.services.observer().event(EventKind.REVIEW, {"changes": len(found)})
            return after, found, conflicts

        after, found, conflicts = await self.host.whole(acted())
        return Reviewed(
            session=self.host.services.session,
            revision=after.revision,
            changes=tuple(change_message(item, conflict=conflicts(item)) for item in found),
        )


async def _conflicts(review: OpenedReview, items: Sequence[ReviewItem]) -> Conflicts:
    try:
        found = await review.planning.conflicts(items)
    except BboxError as error:
        if error.code is not ErrorCode.WORKSPACE_INVALID:
            raise
        # The workspace is gone: the agent's work can be looked at all the same.
        found = {}
    return lambda item: found.get(item.change.id, ConflictState.NONE)


def _part(content: bytes, wanted: RangeMessage | None) -> bytes:
    return content if wanted is None else content[wanted.start : wanted.start + wanted.length]


def _at(listed: Review, path: str) -> ReviewItem:
    wanted = PurePosixPath(path)
    for item in listed.items:
        if wanted in {item.change.path, item.change.old_path}:
            return item
    raise BboxError(
        ErrorCode.REVIEW_STALE,
        cause=f"The agent has changed nothing at {path[:200]!a}, or no more.",
        remediation="Look at the changes again.",
    )
