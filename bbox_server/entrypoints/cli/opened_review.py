# SPDX-License-Identifier: Apache-2.0
"""A session's review as the commands see it."""

from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Protocol

from bbox_server.domain.change import ChangeId, Hunk, Side
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.decision import BulkAcceptance, Decision
from bbox_server.domain.flush import FlushId, FlushReport
from bbox_server.domain.plan import FlushPlan, PlanHash
from bbox_server.domain.review import Review
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import Digest, WorkspacePath
from bbox_server.entrypoints.cli.services import Services


class OpenedChanges(Protocol):
    """As ReviewChanges."""

    async def list(self) -> Review:
        """All changes with their hunks and verdicts."""
        ...

    async def decide(
        self, decisions: Sequence[Decision], confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> Review:
        """Make all the decisions, or none."""
        ...

    async def accept_ordinary(
        self, confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> tuple[Review, BulkAcceptance]:
        """Accept what may be accepted in bulk."""
        ...

    async def edit(self, change: ChangeId, base: Digest, text: bytes) -> Review:
        """Make the user's own text the result of a change."""
        ...

    async def undo(self) -> Review:
        """Take back the last decision or edit."""
        ...

    async def hunks(self, change: ChangeId) -> tuple[Hunk, ...]:
        """All hunks of one change, to be shown."""
        ...

    async def read(self, side: Side, change: ChangeId) -> bytes:
        """A change's content on a side."""
        ...


class OpenedReview(Protocol):
    """As SessionReview."""

    @property
    def session(self) -> SessionId:
        """Whose review it is."""
        ...

    @property
    def changes(self) -> OpenedChanges:
        """Its changes."""
        ...

    async def plan(self) -> FlushPlan:
        """What a flush would do now."""
        ...

    async def flush(self, shown: PlanHash) -> FlushReport:
        """Apply the plan that was shown."""
        ...

    async def undo(self) -> FlushReport:
        """Take the last flush back."""
        ...

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches to the commits that a flush fetched."""
        ...

    async def settle(self) -> None:
        """See whether anything is left to do."""
        ...


@asynccontextmanager
async def opened_review(session: SessionId, services: Services) -> AsyncIterator[OpenedReview]:
    """The review at the session's host. Raises: as SessionGateway.connect, and OpenReview."""
    from bbox_server.entrypoints.cli.remote_review import RemoteReview

    async with services.gateway().connect(session) as connection:
        yield RemoteReview(connection)
