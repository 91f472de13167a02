# SPDX-License-Identifier: Apache-2.0
"""Changes: what differs between the baseline and the agent's view of the workspace."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from bbox_server.domain.workspace import Digest, WorkspacePath

ChangeId = NewType("ChangeId", str)
"""Hash of a path and of what it is on both sides: another content is another change."""

HunkId = NewType("HunkId", str)
"""Hash of path, baseline digest, start line, removed text and added text (protocol.md)."""


class ChangeKind(StrEnum):
    """How a path differs."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    RENAMED = "renamed"
    MODE = "mode"
    TYPE_CHANGE = "typeChange"
    SYMLINK = "symlink"
    DIRECTORY = "directory"
    SPECIAL = "special"
    BULK = "bulk"


class EntryKind(StrEnum):
    """What a path is on one side."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    SPECIAL = "special"


class Tier(StrEnum):
    """How much a change can do to the host once it is flushed (compat REV-04, REV-05, P-04)."""

    ORDINARY = "ordinary"
    BUILD_FILE = "buildFile"
    EXECUTES_ON_HOST = "executesOnHost"
    SECRET = "secret"
    GIT_INTERNAL = "gitInternal"


class WithheldReason(StrEnum):
    """Why a change is listed and counted but can't be flushed."""

    EXCLUDED = "excluded"
    SECRET = "secret"
    GIT_INTERNAL = "gitInternal"
    SPECIAL_FILE = "specialFile"
    LEAVES_WORKSPACE = "leavesWorkspace"
    TOO_LARGE = "tooLarge"


class Side(StrEnum):
    """The four contents that a path can have during a review (protocol.md)."""

    BASELINE = "baseline"
    AGENT = "agent"
    RESULT = "result"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What a path is on one side of a change.

    Attributes:
        kind: File, directory, symbolic link, or something that is none of them.
        mode: Permission bits only; the host masks setuid, setgid and sticky.
        size: Bytes.
        digest: Of a file's content. Of a bulk change's directory: of the names, sizes and times
            below it, so that another content is another change. None for everything else.
        link_target: Of a symbolic link, as it was written.
    """

    kind: EntryKind
    mode: int
    size: int
    digest: Digest | None = None
    link_target: str | None = None

    @property
    def executable(self) -> bool:
        """Whether the owner may execute it: the one permission that a change carries."""
        return bool(self.mode & 0o100)

    @property
    def fingerprint(self) -> str:
        """What makes an entry another one: kind, content or target, and the executable bit."""
        bit = "x" if self.kind is EntryKind.FILE and self.executable else ""
        return f"{self.kind} {self.digest or self.link_target or ''} {bit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One differing path.

    Attributes:
        path: Relative to the workspace root.
        old_path: Where a renamed file was.
        baseline: None where the path is new.
        agent: None where the agent deleted it.
        bulk_count: Files below a directory that is listed as one change.
        mode_changed: The executable bit differs (beside or instead of the content).
    """

    id: ChangeId
    path: WorkspacePath
    kind: ChangeKind
    tier: Tier
    baseline: Entry | None
    agent: Entry | None
    old_path: WorkspacePath | None = None
    withheld: WithheldReason | None = None
    bulk_count: int = 0
    mode_changed: bool = False


def identify_change(
    path: WorkspacePath,
    baseline: Entry | None,
    agent: Entry | None,
    old_path: WorkspacePath | None = None,
) -> ChangeId:
    """The identifier of a change; equal exactly when path and both sides are."""
    sides = (entry.fingerprint if entry else "" for entry in (baseline, agent))
    text = "\0".join((str(path), str(old_path or ""), *sides))
    return ChangeId(hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """All changes at one moment, sorted by the bytes of their paths."""

    changes: tuple[Change, ...]
    revision: int

    @property
    def flushable(self) -> tuple[Change, ...]:
        """The changes that a user may accept."""
        return tuple(change for change in self.changes if change.withheld is None)

    @property
    def withheld(self) -> tuple[Change, ...]:
        """The changes that are shown and counted, and never flushed."""
        return tuple(change for change in self.changes if change.withheld is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HunkLine:
    """One line of a hunk: its origin (" ", "-" or "+") and its bytes with the line end."""

    origin: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """A run of lines that can be accepted on its own. Line numbers count from 1."""

    id: HunkId
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[HunkLine, ...]
    header: str
