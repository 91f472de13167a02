# SPDX-License-Identifier: Apache-2.0
"""The plan of a flush: baseline, accepted result and the workspace as it is now, path by path.

What only the agent changed is applied, what only the user changed is left, what both changed is
merged or is a conflict (workspace.md 6). The plan is a pure function of what was observed; each
operation carries what it expects, which the flush verifies again at the moment it applies it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NewType

from bbox_server.domain.change import ChangeId, Entry, EntryKind
from bbox_server.domain.commit import AgentBranch
from bbox_server.domain.workspace import Digest, WorkspacePath

PlanHash = NewType("PlanHash", str)
"""Names exactly what a user was shown; another workspace or decision gives another one."""

FLUSH_PREFIX: Final = ".bbox-flush-"
"""Names of files that a flush stages beside their targets; nothing else may have such a name."""


class PresentKind(StrEnum):
    """What is at a path of the workspace now. Below something that is no directory: absent."""

    ABSENT = "absent"
    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The workspace at one path, now.

    Attributes:
        mode: Permission bits.
        links: Hard links of a file; a flush cuts the path off from the others.
        names: What a directory has in it; None for everything else.
    """

    kind: PresentKind
    mode: int = 0
    digest: Digest | None = None
    link_target: str | None = None
    links: int = 1
    names: tuple[str, ...] | None = None

    @property
    def executable(self) -> bool:
        """Whether its owner may execute it."""
        return bool(self.mode & 0o100)


ABSENT: Final = Present(kind=PresentKind.ABSENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an accepted change makes of one path.

    Attributes:
        base: What it was when the agent got it; None where it was not there.
        result: What it shall be; None where it shall go. Its digest names the content.
        resolves: Digest of the workspace's content that the user wrote the result upon: then
            there is nothing to merge.
        needs: A path whose operation has to succeed first (the new name of a renamed file).
    """

    change: ChangeId
    path: WorkspacePath
    base: Entry | None
    result: Entry | None
    resolves: Digest | None = None
    needs: WorkspacePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOutcome:
    """A merge that was tried: the digest of the result, or how many conflicts it has."""

    digest: Digest | None
    conflicts: int = 0


class OperationKind(StrEnum):
    """What is done to a path."""

    MAKE_DIRECTORY = "mkdir"
    WRITE = "write"
    SYMLINK = "symlink"
    CHANGE_MODE = "chmod"
    DELETE = "delete"
    REMOVE_DIRECTORY = "rmdir"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One step of a flush.

    Attributes:
        expected: What must be at the path, or nothing is done.
        content: Digest of what is written.
        mode: Of a new file or directory before the umask, or the changed mode; None keeps it.
        merged: The content has the user's own changes too.
        needs: Index of an operation that has to succeed first.
    """

    change: ChangeId
    path: WorkspacePath
    kind: OperationKind
    expected: Present
    content: Digest | None = None
    link_target: str | None = None
    mode: int | None = None
    merged: bool = False
    needs: int | None = None


class ConflictReason(StrEnum):
    """Why an accepted change can't be applied to the workspace as it is now."""

    CHANGED_BOTH = "changedBoth"
    ADDED_BOTH = "addedBoth"
    DELETED_HERE = "deletedHere"
    CHANGED_HERE = "changedHere"
    TYPE_DIFFERS = "typeDiffers"
    PARENT_IS_LINK = "parentIsLink"
    PARENT_IS_NO_DIRECTORY = "parentIsNoDirectory"
    NOT_EMPTY = "notEmpty"
    UNREADABLE = "unreadable"
    UNSAVED = "unsaved"


class ConflictState(StrEnum):
    """How a change would meet the workspace as it is now, but for what is rejected of it."""

    NONE = "none"
    MERGEABLE = "mergeable"
    CONFLICTING = "conflicting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A path that the user has to look at. `merges` counts the places of CHANGED_BOTH."""

    change: ChangeId
    path: WorkspacePath
    reason: ConflictReason
    merges: int = 0


class SkipReason(StrEnum):
    """Why an accepted change needs, or gets, no operation."""

    ALREADY_THERE = "alreadyThere"
    NOT_EMPTY = "notEmpty"
    RESERVED_NAME = "reservedName"
    LINK_LEAVES_WORKSPACE = "linkLeavesWorkspace"
    SPECIAL_FILE = "specialFile"
    DECIDED_ON_ITS_OWN = "decidedOnItsOwn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """An accepted path that a flush leaves alone."""

    change: ChangeId
    path: WorkspacePath
    reason: SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class FlushPlan:
    """What a flush would do, in its order; last it fetches the commits of branches."""

    operations: tuple[Operation, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    branches: tuple[AgentBranch, ...] = ()
    hash: PlanHash = field(default=PlanHash(""))

    @property
    def is_empty(self) -> bool:
        """Nothing is accepted. What is skipped still has to be flushed: then it is settled."""
        return not (self.operations or self.conflicts or self.skipped or self.branches)

    @property
    def hard_linked(self) -> tuple[WorkspacePath, ...]:
        """Targets that have other names; those keep the old content."""
        replaced = {OperationKind.WRITE, OperationKind.DELETE}
        return tuple(
            operation.path
            for operation in self.operations
            if operation.kind in replaced and operation.expected.links > 1
        )


def conflict_states(plan: FlushPlan) -> Mapping[ChangeId, ConflictState]:
    """How the changes of a plan meet the workspace; those that meet nothing are left out."""
    merged = {operation.change for operation in plan.operations if operation.merged}
    return {
        **dict.fromkeys(merged, ConflictState.MERGEABLE),
        **{conflict.change: ConflictState.CONFLICTING for conflict in plan.conflicts},
    }


def is_reserved(path: WorkspacePath) -> bool:
    """Whether a path could be taken for a file that a flush stages."""
    return any(part.casefold().startswith(FLUSH_PREFIX) for part in path.parts)


def leaves_workspace(path: WorkspacePath, target: str) -> bool:
    """Whether a link at `path` could lead out of the workspace.

    Dots are taken at the beginning only: `a/..` is not `.` where `a` is itself a link.
    """
    parts = target.split("/")
    names = [part for part in parts if part not in {"", "."}]
    ups = next((index for index, name in enumerate(names) if name != ".."), len(names))
    return not target or target.startswith("/") or ups > len(path.parts) - 1 or ".." in names[ups:]


def paths_to_observe(wanted: Sequence[Wanted]) -> frozenset[WorkspacePath]:
    """All paths that a plan depends on: the wanted ones and their directories."""
    paths = {item.path for item in wanted}
    return frozenset(paths | {up for path in paths for up in path.parents if up.parts})


def merges_needed(
    wanted: Sequence[Wanted], present: Mapping[WorkspacePath, Present]
) -> tuple[Wanted, ...]:
    """The files that both sides changed, to be merged before the plan is made."""
    return tuple(item for item in wanted if _both_changed(item, present[item.path]))


def _both_changed(item: Wanted, now: Present) -> bool:
    if item.base is None or item.result is None or now.kind is not PresentKind.FILE:
        return False
    if item.base.kind is not EntryKind.FILE or item.result.kind is not EntryKind.FILE:
        return False
    known = {item.base.digest, item.result.digest, item.resolves}
    return now.digest not in known and item.base.digest != item.result.digest


def hash_plan(plan: FlushPlan) -> FlushPlan:
    """The plan with its hash."""
    bare = replace(plan, hash=PlanHash(""))
    tips = [(str(branch.repository), branch.ref, branch.tip) for branch in bare.branches]
    parts = (bare.operations, bare.conflicts, bare.skipped, tips)
    lines = [repr(each) for part in parts for each in part]
    hasher = hashlib.sha256("\n".join(lines).encode("utf-8", "backslashreplace"))
    return replace(bare, hash=PlanHash(hasher.hexdigest()))
