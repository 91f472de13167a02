# SPDX-License-Identifier: Apache-2.0
"""The review of a session whose agent still works."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from bbox_server.application.open_review import ReviewParts
from bbox_server.application.plan_flush import PlanFlush
from bbox_server.application.review_changes import ReviewChanges
from bbox_server.application.told_phase import told_phase
from bbox_server.domain.commit import RefUpdate
from bbox_server.domain.flush import FlushId, FlushReport
from bbox_server.domain.plan import FlushPlan, PlanHash
from bbox_server.domain.progress import Phase
from bbox_server.domain.session import EventKind
from bbox_server.domain.workspace import WorkspacePath


class OpenedReview(Protocol):
    """A review, whether the agent works or has ended."""

    @property
    def changes(self) -> ReviewChanges:
        """Its changes and decisions."""
        ...

    @property
    def planning(self) -> PlanFlush:
        """How the changes meet the workspace."""
        ...

    async def plan(self, unsaved: AbstractSet[WorkspacePath] = frozenset()) -> FlushPlan:
        """What a flush would do now."""
        ...

    async def flush(
        self, shown: PlanHash, unsaved: AbstractSet[WorkspacePath] = frozenset()
    ) -> FlushReport:
        """Apply the plan that was shown."""
        ...

    async def undo(self, flush: FlushId | None = None) -> FlushReport:
        """Take a flush back."""
        ...

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches to the commits that a flush fetched."""
        ...

    async def settle(self) -> None:
        """See whether anything is left to do."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveReview(OpenedReview):
    """The run holds the session and says its states; this one only adds the flushes."""

    parts: ReviewParts

    @property
    @override
    def changes(self) -> ReviewChanges:
        return self.parts.changes

    @property
    @override
    def planning(self) -> PlanFlush:
        return self.parts.flush.planning

    @override
    async def plan(self, unsaved: AbstractSet[WorkspacePath] = frozenset()) -> FlushPlan:
        return await self.parts.flush.plan(unsaved)

    @override
    async def flush(
        self, shown: PlanHash, unsaved: AbstractSet[WorkspacePath] = frozenset()
    ) -> FlushReport:
        with told_phase(self.parts.observer, Phase.FLUSH, "Applying the accepted changes"):
            return self._announced(await self.parts.flush(shown, unsaved))

    @override
    async def undo(self, flush: FlushId | None = None) -> FlushReport:
        return self._announced(await self.parts.undo(flush))

    @override
    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        return await self.parts.flush.forward(flush)

    @override
    async def settle(self) -> None:
        return None

    def _announced(self, report: FlushReport) -> FlushReport:
        self.parts.observer.event(
            EventKind.FLUSH,
            {
                "flush": report.flush,
                "kind": report.kind.value,
                "applied": len(report.applied),
                "failed": len(report.failed),
                "refs": len(report.refs),
            },
        )
        return report
