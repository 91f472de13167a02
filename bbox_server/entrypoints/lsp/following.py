# SPDX-License-Identifier: Apache-2.0
"""A session that an editor without bbox/* runs or reviews: its events as progress and messages."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from lsprotocol import types

from bbox_server.domain.error import BboxError
from bbox_server.domain.gateway import Notice, SessionGateway
from bbox_server.domain.session import ENDED, EventKind, SessionId, SessionRecord, SessionState
from bbox_server.entrypoints.lsp.client import Client, Progress
from bbox_server.entrypoints.lsp.hunk_diagnostics import readable
from bbox_server.entrypoints.lsp.reviews import Reviews
from bbox_server.wire.command import ReviewSummary
from bbox_server.wire.event import EventMessage
from bbox_server.wire.peer import RpcError

log = logging.getLogger(__name__)

AT_REST = ENDED | {SessionState.REVIEWING}
RESHOWN = frozenset({EventKind.CHANGES, EventKind.REVIEW, EventKind.FLUSH, EventKind.RESYNC})


@dataclass(slots=True, kw_only=True)
class Following:
    """Lives until the session has ended, or the editor leaves.

    Attributes:
        record: The session as it is on disk now.
        forget: Told when the session's host is gone.
        progress: Of its run; None for one that was found.
    """

    gateway: SessionGateway
    reviews: Reviews
    client: Client
    record: Callable[[], SessionRecord]
    forget: Callable[[SessionId], None]
    progress: Progress | None
    _is_stale: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        """Show what happens. Its own connection: the editor's carries what the editor asked for."""
        try:
            async with asyncio.TaskGroup() as tasks:
                showing = tasks.create_task(self._show())
                await self._listen()
                showing.cancel()
        except* (BboxError, RpcError) as group:
            await self._end(types.MessageType.Error, str(group.exceptions[0]))

    async def _listen(self) -> None:
        session = self.record().id
        async with self.gateway.connect(session) as connection:
            await connection.request("bbox/subscribe", {"session": session})
            async for notice in connection.notices():
                if await self._take(notice):
                    return
        self.forget(session)
        text = "The session's host was killed. What the agent wrote is kept: bbox.review goes on."
        await self._end(types.MessageType.Warning, text)

    async def _take(self, notice: Notice) -> bool:
        """Whether it was the last one that matters."""
        if notice.method != "bbox/event":
            return False
        event = EventMessage.model_validate(notice.params, extra="ignore")
        if event.kind is EventKind.PROGRESS and self.progress is not None:
            text = readable(str(event.fields.get("message") or ""))
            await self.progress.say(types.WorkDoneProgressReport(message=text))
        if event.kind in RESHOWN:
            self._is_stale.set()
        if event.kind is EventKind.STATE:
            return await self._enter(SessionState(str(event.fields.get("state"))))
        return False

    async def _enter(self, state: SessionState) -> bool:
        # Events of before are sent again: what counts is where the session is now.
        record = self.record()
        if state is not record.state or state not in AT_REST:
            return False
        if state is SessionState.REVIEWING:
            await self._at_review(record)
            return False
        await self.reviews.forget(record.id)
        await self._end(*_last_words(record))
        return True

    async def _at_review(self, record: SessionRecord) -> None:
        summary = await self.reviews.refresh(record)
        if self.progress is not None:
            await self._end(types.MessageType.Info, f"{record.agent} has ended: {_left(summary)}")

    async def _show(self) -> None:
        while True:
            await self._is_stale.wait()
            self._is_stale.clear()
            try:
                await self._refresh()
            except (BboxError, RpcError) as error:
                # The session went on meanwhile; its next event brings the next try.
                log.warning("lsp.refresh-failed", extra={"error_type": type(error).__name__})

    async def _refresh(self) -> None:
        record = self.record()
        if record.state not in ENDED:
            await self.reviews.refresh(record)

    async def _end(self, kind: types.MessageType, text: str) -> None:
        progress, self.progress = self.progress, None
        if progress is not None:
            await progress.say(types.WorkDoneProgressEnd(message=text))
            await self.client.tell(kind, text)


def _last_words(record: SessionRecord) -> tuple[types.MessageType, str]:
    failure = record.failure
    if record.state is SessionState.FAILED and failure is not None:
        text = f"{failure.message} {failure.cause} {failure.remediation}"
        return types.MessageType.Error, readable(text)
    return types.MessageType.Info, f"{record.agent} has ended; nothing waits for a review."


def _left(summary: ReviewSummary) -> str:
    count = summary.undecided
    return f"{count} {'file waits' if count == 1 else 'files wait'} for your review."
