# SPDX-License-Identifier: Apache-2.0
"""The review: what the user decided about which change or hunk.

Decisions name content-addressed identifiers. While the agent goes on, a decision stays with what
it was made on, and what has become something else is undecided again (protocol.md, identity).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from bbox_server.domain.change import Change, ChangeId, Hunk, HunkId, Tier
from bbox_server.domain.commit import AgentBranch, pending
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId
from bbox_server.domain.rebase import FlushedBase
from bbox_server.domain.review_note import Note
from bbox_server.domain.sensitive import becomes_executable, explain
from bbox_server.domain.text_notes import text_notes
from bbox_server.domain.workspace import Digest, WorkspacePath


class Verdict(StrEnum):
    """What is decided; only the first three can be set, the others follow."""

    UNDECIDED = "undecided"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    MIXED = "mixed"
    EDITED = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The user's own text instead of the agent's.

    Attributes:
        base: Of the content that was edited: the agent's, or the workspace's in a conflict.
        content: Of the edited text, which the review store keeps.
    """

    base: Digest
    content: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A change with what is decided about it.

    Attributes:
        hunks: The parts that are decided on their own; none for what is decided as a whole.
        verdicts: Of the hunks, undecided ones left out; or of the change, under its own id.
        reason: Why the tier is what it is, as the end of a sentence.
        failure: Why the last flush did not apply it.
    """

    change: Change
    hunks: tuple[Hunk, ...] = ()
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    edit: Edit | None = None
    reason: str = ""
    notes: tuple[Note, ...] = ()
    failure: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the whole change."""
        if self.edit is not None:
            return Verdict.EDITED
        found = {self.hunk_verdict(hunk.id) for hunk in self.hunks}
        if not found:
            return self.verdicts.get(self.change.id, Verdict.UNDECIDED)
        return found.pop() if len(found) == 1 else Verdict.MIXED

    @property
    def keys(self) -> tuple[str, ...]:
        """What verdicts are kept under."""
        return tuple(hunk.id for hunk in self.hunks) or (self.change.id,)

    @property
    def accepted_hunks(self) -> frozenset[HunkId]:
        """The hunks that a flush takes."""
        return frozenset(
            hunk.id for hunk in self.hunks if self.hunk_verdict(hunk.id) is Verdict.ACCEPTED
        )

    @property
    def is_accepted(self) -> bool:
        """Whether a flush takes anything of it."""
        if self.change.withheld is not None:
            return False
        return self.verdict in {Verdict.ACCEPTED, Verdict.EDITED} or bool(self.accepted_hunks)

    @property
    def is_decided(self) -> bool:
        """Whether nothing is left to ask."""
        return all(self.verdicts.get(key) for key in self.keys) or self.edit is not None

    def hunk_verdict(self, hunk: HunkId) -> Verdict:
        """The verdict of one hunk."""
        return self.verdicts.get(hunk, Verdict.UNDECIDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """All changes with their verdicts, sorted by path; withheld ones are listed too.

    Attributes:
        branches: Commits of the agent's, which are taken or left as a whole.
    """

    revision: int
    items: tuple[ReviewItem, ...]
    branches: tuple[AgentBranch, ...] = ()

    @property
    def flushable(self) -> tuple[ReviewItem, ...]:
        """What can be decided."""
        return tuple(item for item in self.items if item.change.withheld is None)

    @property
    def withheld(self) -> tuple[ReviewItem, ...]:
        """What is only listed and counted."""
        return tuple(item for item in self.items if item.change.withheld is not None)

    @property
    def accepted(self) -> tuple[ReviewItem, ...]:
        """What a flush would take, wholly or in part."""
        return tuple(item for item in self.items if item.is_accepted)

    @property
    def undecided(self) -> tuple[ReviewItem, ...]:
        """What still has to be asked, wholly or in part."""
        return tuple(item for item in self.flushable if not item.is_decided)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask, to flush or to fetch."""
        return not (self.undecided or self.accepted or pending(self.branches))

    def of_tier(self, tier: Tier) -> tuple[ReviewItem, ...]:
        """The decidable changes of one tier."""
        return tuple(item for item in self.flushable if item.change.tier is tier)

    def item(self, change: ChangeId) -> ReviewItem:
        """One change. Raises: review.stale where there is none of that id any more."""
        for item in self.items:
            if item.change.id == change:
                return item
        raise stale(self.revision, f"There is no change {change}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What an undo brings back; None means that there was nothing."""

    verdicts: Mapping[str, Verdict | None]
    edits: Mapping[ChangeId, Edit | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushedStep:
    """What the undo of a flush brings back: the bases that it changed, as they were."""

    flush: FlushId
    bases: Mapping[WorkspacePath, FlushedBase | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewState:
    """What is kept of a review, beside contents.

    Attributes:
        failures: Why a flush did not apply a change.
        history: Decisions that can be taken back; none from before the last flush.
        bases: Of paths that were flushed; their contents are in the review store.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    edits: Mapping[ChangeId, Edit] = field(default_factory=dict)
    failures: Mapping[ChangeId, str] = field(default_factory=dict)
    history: tuple[Step, ...] = ()
    bases: Mapping[WorkspacePath, FlushedBase] = field(default_factory=dict)
    flushes: tuple[FlushedStep, ...] = ()


class ReviewStore(Protocol):
    """Keeps a session's review, and contents by their digest."""

    async def load(self) -> ReviewState:
        """What was saved last; an empty state at first. Raises: session.corrupt."""
        ...

    async def save(self, state: ReviewState) -> None:
        """Replace what is kept, atomically and durably. Raises: disk.full."""
        ...

    async def put(self, content: bytes) -> Digest:
        """Keep a content. Raises: disk.full."""
        ...

    async def get(self, digest: Digest) -> bytes:
        """A kept content, verified. Raises: session.corrupt."""
        ...


def review_item(change: Change, hunks: tuple[Hunk, ...], state: ReviewState) -> ReviewItem:
    """A change as the state has it decided."""
    keys = tuple(hunk.id for hunk in hunks) or (change.id,)
    return ReviewItem(
        change=change,
        hunks=hunks,
        verdicts={key: state.verdicts[key] for key in keys if key in state.verdicts},
        edit=state.edits.get(change.id),
        reason=explain(change.path),
        notes=(
            *((Note.BECOMES_EXECUTABLE,) if becomes_executable(change) else ()),
            *text_notes(hunks),
        ),
        failure=state.failures.get(change.id, ""),
    )


def unrejected(item: ReviewItem) -> ReviewItem:
    """The change as if all that is not rejected of it were accepted."""
    rejected = {key for key in item.keys if item.verdicts.get(key) is Verdict.REJECTED}
    taken = dict.fromkeys(item.keys, Verdict.ACCEPTED)
    return replace(item, verdicts=taken | dict.fromkeys(rejected, Verdict.REJECTED))


def stale(revision: int, cause: str) -> BboxError:
    """The error for an identifier that is not, or no more, of a review."""
    return BboxError(
        ErrorCode.REVIEW_STALE,
        cause=f"{cause} in revision {revision}.",
        remediation="Look at the changes again and decide on what is there now.",
    )
