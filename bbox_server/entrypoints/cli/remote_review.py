# SPDX-License-Identifier: Apache-2.0
"""The review of a session that its host holds, as if it were here."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from bbox_server.domain.change import ChangeId, Hunk, Side
from bbox_server.domain.commit import AgentBranch, RefUpdate
from bbox_server.domain.decision import BulkAcceptance, Decision, accept_in_bulk
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId, FlushReport
from bbox_server.domain.gateway import SessionConnection
from bbox_server.domain.plan import FlushPlan, PlanHash
from bbox_server.domain.review import Review, ReviewItem
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import Digest, WorkspacePath
from bbox_server.wire.commit import ForwardMessage, ForwardParams, branch_of, update_of
from bbox_server.wire.model import Message, from_base64, to_base64
from bbox_server.wire.reading import item_of, plan_of, report_of
from bbox_server.wire.review import FlushMessage, PlanMessage
from bbox_server.wire.review_request import (
    ChangeDetail,
    ChangeParams,
    ChangesListParams,
    ChangesPage,
    DecidableVerdict,
    DecideParams,
    DecisionMessage,
    EditParams,
    FileContent,
    FileReadParams,
    FlushApplyParams,
    SessionParams,
)
from bbox_server.wire.run import Done

_M = TypeVar("_M", bound=Message)


class RemoteReview:
    """Both `SessionReview` and its `changes` to the command line."""

    def __init__(self, connection: SessionConnection) -> None:
        self._connection = connection
        self.session: SessionId = connection.session

    @property
    def changes(self) -> "RemoteChanges":
        """The changes and decisions."""
        return RemoteChanges(self._connection)

    async def plan(self) -> FlushPlan:
        """What a flush would do now."""
        params = SessionParams(session=self.session)
        return plan_of(await ask(self._connection, "bbox/flush/plan", params, PlanMessage))

    async def flush(self, shown: PlanHash) -> FlushReport:
        """Apply the plan that was shown."""
        params = FlushApplyParams(session=self.session, plan_hash=shown)
        return report_of(await ask(self._connection, "bbox/flush/apply", params, FlushMessage))

    async def undo(self) -> FlushReport:
        """Take the last flush back."""
        params = SessionParams(session=self.session)
        return report_of(await ask(self._connection, "bbox/flush/undo", params, FlushMessage))

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches to the commits that a flush fetched."""
        params = ForwardParams(session=self.session, flush=flush)
        answer = await ask(self._connection, "bbox/flush/forward", params, ForwardMessage)
        return tuple(map(update_of, answer.refs))

    async def settle(self) -> None:
        """The host does that by itself."""


class RemoteChanges:
    """A session's changes, at its host."""

    def __init__(self, connection: SessionConnection) -> None:
        self._connection = connection
        self._session = connection.session

    async def list(self) -> Review:
        """All changes."""
        items: list[ReviewItem] = []
        branches: tuple[AgentBranch, ...] = ()
        cursor: str | None = None
        while True:
            params = ChangesListParams(session=self._session, cursor=cursor, with_hunks=True)
            page = await ask(self._connection, "bbox/changes/list", params, ChangesPage)
            items += map(item_of, page.changes)
            branches += tuple(map(branch_of, page.branches))
            cursor = page.next_cursor
            if cursor is None:
                return Review(revision=page.revision, items=tuple(items), branches=branches)

    async def decide(
        self, decisions: Sequence[Decision], confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> Review:
        """Make all the decisions, or none."""
        await self._decide((await self.list()).revision, decisions, confirmed)
        return await self.list()

    async def accept_ordinary(
        self, confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> tuple[Review, BulkAcceptance]:
        """Accept what may be accepted in bulk; what is left says the second."""
        before = await self.list()
        bulk = accept_in_bulk(before.items, confirmed)
        await self._decide(before.revision, bulk.decisions, confirmed)
        return await self.list(), bulk

    async def edit(self, change: ChangeId, base: Digest, text: bytes) -> Review:
        """Make the user's own text the result of a change."""
        params = EditParams(
            session=self._session, change=change, base_hash=base, data=to_base64(text)
        )
        await self._connection.request("bbox/review/edit", params.to_object())
        return await self.list()

    async def undo(self) -> Review:
        """Take back the last decision."""
        params = SessionParams(session=self._session)
        await self._connection.request("bbox/review/undo", params.to_object())
        return await self.list()

    async def hunks(self, change: ChangeId) -> tuple[Hunk, ...]:
        """All hunks of one change, to be shown."""
        params = ChangeParams(session=self._session, change=change)
        detail = await ask(self._connection, "bbox/changes/get", params, ChangeDetail)
        return item_of(detail.change).hunks

    async def read(self, side: Side, change: ChangeId) -> bytes:
        """A change's content on a side."""
        path = str((await self.list()).item(change).change.path)
        params = FileReadParams(session=self._session, side=side, path=path)
        content = await ask(self._connection, "bbox/file/read", params, FileContent)
        if content.too_large:
            raise BboxError(
                ErrorCode.REVIEW_INVALID,
                cause=f"{path} has {content.size} bytes.",
                remediation="Accept or reject it as a whole.",
            )
        return from_base64(content.data)

    async def _decide(
        self, revision: int, decisions: Sequence[Decision], confirmed: AbstractSet[WorkspacePath]
    ) -> None:
        params = DecideParams(
            session=self._session,
            revision=revision,
            decisions=tuple(
                DecisionMessage(
                    change=decision.change,
                    verdict=DecidableVerdict(decision.verdict.value),
                    hunk=decision.hunk,
                )
                for decision in decisions
            ),
            confirmed=tuple(map(str, confirmed)),
        )
        await self._connection.request("bbox/review/decide", params.to_object())


async def ask(connection: SessionConnection, method: str, params: Message, answer: type[_M]) -> _M:
    """Ask a host; what is newer than us in its answer is left out."""
    return answer.model_validate(
        await connection.request(method, params.to_object()), extra="ignore"
    )


async def tell(connection: SessionConnection, method: str, params: Message) -> None:
    """Ask a host for something that has no answer."""
    await ask(connection, method, params, Done)
