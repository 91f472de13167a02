# SPDX-License-Identifier: Apache-2.0
"""Review the agent's changes: list them with their hunks, decide, edit, take back."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.agent_commits import NO_COMMITS, AgentCommits
from bbox_server.domain.change import Change, ChangeId, ChangeKind, Entry, EntryKind, Hunk, Side
from bbox_server.domain.decision import (
    BulkAcceptance,
    Decision,
    accept_in_bulk,
    decide,
    edit,
    undo,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hunk import (
    TEXT_LIMIT_BYTES,
    Differ,
    TextPair,
    apply_hunks,
    is_text,
    mode_hunk,
)
from bbox_server.domain.rebase import rebase
from bbox_server.domain.review import (
    Edit,
    Review,
    ReviewItem,
    ReviewState,
    ReviewStore,
    Verdict,
    review_item,
)
from bbox_server.domain.snapshot import Overlay
from bbox_server.domain.workspace import Digest, WorkspacePath, digest_of

# Texts in memory at a time; the differ gets them in groups of about this size.
_GROUP_BYTES: Final = 64 << 20

# The agent changes files while we read them, and contents of bulks are not kept: one file that
# can only be decided as a whole must not fail the whole list.
_UNREADABLE: Final = frozenset(
    {ErrorCode.REVIEW_STALE, ErrorCode.SESSION_CORRUPT, ErrorCode.SNAPSHOT_LIMIT}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewChanges:
    """A session's review. Every method sees the changes as they are at that moment."""

    overlay: Overlay
    differ: Differ
    reviews: ReviewStore
    commits: AgentCommits = NO_COMMITS

    async def list(self) -> Review:
        """All changes with their hunks and verdicts.

        Raises: snapshot.failed, session.corrupt, process.failed.
        """
        return await self._list(await self.reviews.load())

    async def decide(
        self, decisions: Sequence[Decision], confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> Review:
        """Make all the decisions, or none.

        Args:
            decisions: On ids of the last list.
            confirmed: Build files that the user was shown by name.

        Raises: review.stale, review.invalid.
        """
        state = await self.reviews.load()
        review = await self._list(state)
        return await self._save(review, decide(state, review, decisions, confirmed))

    async def accept_ordinary(
        self, confirmed: AbstractSet[WorkspacePath] = frozenset()
    ) -> tuple[Review, BulkAcceptance]:
        """Accept what is undecided and may be accepted in bulk; what is left says the second."""
        state = await self.reviews.load()
        review = await self._list(state)
        bulk = accept_in_bulk(review.items, confirmed)
        decided = decide(state, review, bulk.decisions, confirmed)
        return await self._save(review, decided), bulk

    async def edit(self, change: ChangeId, base: Digest, text: bytes) -> Review:
        """Make the user's own text the result of a change.

        Args:
            change: What was edited.
            base: Of the content that was edited: the agent's, or in a conflict the workspace's.
            text: Replaces all of it.

        Raises: review.stale, review.invalid, disk.full.
        """
        state = await self.reviews.load()
        review = await self._list(state)
        item = review.item(change)
        if not is_editable(item.change):
            raise BboxError(
                ErrorCode.REVIEW_INVALID,
                cause=f"{item.change.path} is no file that can be edited.",
                remediation="Accept or reject it.",
            )
        content = await self.reviews.put(text)
        return await self._save(review, edit(state, item, Edit(base=base, content=content)))

    async def undo(self) -> Review:
        """Take back the last decision or edit. Raises: review.invalid."""
        state = undo(await self.reviews.load())
        await self.reviews.save(state)
        return await self._list(state)

    async def hunks(self, change: ChangeId) -> tuple[Hunk, ...]:
        """All hunks of one change, to be shown; also of what is decided as a whole.

        Raises: review.stale.
        """
        state = await self.reviews.load()
        item = (await self._list(state)).item(change)
        if item.hunks:
            return item.hunks
        old = await self.side(state, item.change, Side.BASELINE)
        new = await self.side(state, item.change, Side.AGENT)
        if not is_text(old) or not is_text(new):
            return ()
        pair = TextPair(path=item.change.path, old_digest=digest_of(old), old=old, new=new)
        return (await self.differ.compare([pair]))[0]

    async def read(self, side: Side, change: ChangeId) -> bytes:
        """A change's content on a side; empty where there is none. Not of the workspace.

        Raises: review.stale, review.invalid, snapshot.limit.
        """
        state = await self.reviews.load()
        item = (await self._list(state)).item(change)
        match side:
            case Side.BASELINE | Side.AGENT:
                return await self.side(state, item.change, side)
            case Side.RESULT:
                return await self.result(state, item)
            case Side.WORKSPACE:
                raise BboxError(
                    ErrorCode.REVIEW_INVALID,
                    cause="The workspace's own files are not part of the review.",
                    remediation="Open the file itself.",
                )

    async def result(self, state: ReviewState, item: ReviewItem) -> bytes:
        """What the decisions make of a change's file, before it meets the workspace."""
        if item.edit is not None:
            return await self.reviews.get(item.edit.content)
        if not item.hunks:
            side = Side.AGENT if item.verdict is Verdict.ACCEPTED else Side.BASELINE
            return await self.side(state, item.change, side)
        old = await self.side(state, item.change, Side.BASELINE)
        return apply_hunks(old, item.hunks, item.accepted_hunks)

    async def side(self, state: ReviewState, change: Change, side: Side) -> bytes:
        """The baseline's or the agent's content; empty where there is no file."""
        entry = change.baseline if side is Side.BASELINE else change.agent
        if entry is None or entry.kind is not EntryKind.FILE:
            return b""
        if side is Side.AGENT:
            return await self.overlay.read(Side.AGENT, change.path)
        if change.path in state.bases and entry.digest is not None:
            return await self.reviews.get(entry.digest)
        return await self.overlay.read(Side.BASELINE, change.old_path or change.path)

    async def _list(self, state: ReviewState) -> Review:
        changes = rebase(await self.overlay.changes(), state.bases)
        hunks = await self._hunks(state, changes.changes)
        return Review(
            revision=changes.revision,
            items=tuple(
                review_item(change, hunks.get(change.id, ()), state) for change in changes.changes
            ),
            branches=await self.commits.branches(),
        )

    async def _save(self, review: Review, state: ReviewState) -> Review:
        await self.reviews.save(state)
        return Review(
            revision=review.revision,
            items=tuple(review_item(item.change, item.hunks, state) for item in review.items),
            branches=review.branches,
        )

    async def _hunks(
        self, state: ReviewState, changes: Sequence[Change]
    ) -> dict[ChangeId, tuple[Hunk, ...]]:
        found: dict[ChangeId, tuple[Hunk, ...]] = {}
        group: dict[ChangeId, TextPair] = {}
        size = 0
        for change in filter(_has_hunks, changes):
            pair = await self._pair(state, change)
            if pair is None:
                continue
            group[change.id] = pair
            size += len(pair.old) + len(pair.new)
            if size > _GROUP_BYTES:
                found |= await self._compare(group)
                group, size = {}, 0
        found |= await self._compare(group)
        modes = {change.id: _mode_hunks(change) for change in changes}
        return {change: (*modes[change], *hunks) for change, hunks in found.items() if hunks}

    async def _compare(self, group: dict[ChangeId, TextPair]) -> dict[ChangeId, tuple[Hunk, ...]]:
        compared = await self.differ.compare(tuple(group.values()))
        return dict(zip(group, compared, strict=True))

    async def _pair(self, state: ReviewState, change: Change) -> TextPair | None:
        """Both texts; None for what is binary, or has changed under us: decided as a whole."""
        try:
            old = await self.side(state, change, Side.BASELINE)
            new = await self.side(state, change, Side.AGENT)
        except BboxError as error:
            if error.code not in _UNREADABLE:
                raise
            return None
        if not is_text(old) or not is_text(new):
            return None
        if change.agent is None or digest_of(new) != change.agent.digest:
            return None
        return TextPair(path=change.path, old_digest=digest_of(old), old=old, new=new)


def _has_hunks(change: Change) -> bool:
    """Whether parts of it can be decided: a file that stays a file, not too large."""
    return (
        change.withheld is None
        and change.kind is ChangeKind.MODIFIED
        and all(_is_small_file(entry) for entry in (change.baseline, change.agent))
    )


def _is_small_file(entry: Entry | None) -> bool:
    is_file = entry is not None and entry.kind is EntryKind.FILE
    return is_file and entry is not None and entry.size <= TEXT_LIMIT_BYTES


def is_editable(change: Change) -> bool:
    """Whether the agent left a file, whose text can be another one."""
    return change.agent is not None and change.agent.kind is EntryKind.FILE


def _mode_hunks(change: Change) -> tuple[Hunk, ...]:
    if not change.mode_changed or change.baseline is None or change.agent is None:
        return ()
    return (mode_hunk(change.path, change.baseline.mode, change.agent.mode),)
