# SPDX-License-Identifier: Apache-2.0
"""An overlay in memory: two trees of entries."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.change import (
    Change,
    ChangeKind,
    ChangeSet,
    Entry,
    EntryKind,
    Side,
    Tier,
    WithheldReason,
    identify_change,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import is_secret
from bbox_server.domain.rebase import kind_between
from bbox_server.domain.sensitive import classify
from bbox_server.domain.snapshot import Overlay
from bbox_server.domain.vm import WorkspaceShare
from bbox_server.domain.workspace import HostPath, WorkspacePath, digest_of

WITHHELD = {
    Tier.SECRET: WithheldReason.SECRET,
    Tier.GIT_INTERNAL: WithheldReason.GIT_INTERNAL,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A file with a content, a link with a target, or, with neither, a directory."""

    content: bytes | None = None
    mode: int = 0o644
    target: str | None = None

    @property
    def entry(self) -> Entry:
        if self.target is not None:
            kind = EntryKind.SYMLINK
            return Entry(kind=kind, mode=0o777, size=len(self.target), link_target=self.target)
        if self.content is None:
            return Entry(kind=EntryKind.DIRECTORY, mode=0o755, size=0)
        return Entry(
            kind=EntryKind.FILE,
            mode=self.mode,
            size=len(self.content),
            digest=digest_of(self.content),
        )


Tree = dict[WorkspacePath, Node]


def tree(files: dict[str, bytes | Node]) -> Tree:
    return {
        PurePosixPath(name): node if isinstance(node, Node) else Node(content=node)
        for name, node in files.items()
    }


@dataclass(kw_only=True)
class MemoryOverlay(Overlay):
    """What the agent did is what the two trees say; renames and bulks are said beside."""

    baseline: Tree = field(default_factory=dict)
    agent: Tree = field(default_factory=dict)
    renames: dict[WorkspacePath, WorkspacePath] = field(default_factory=dict)
    bulks: frozenset[WorkspacePath] = frozenset()
    revision: int = 0

    @property
    @override
    def share(self) -> WorkspaceShare:
        return WorkspaceShare(lower=HostPath("/nowhere/lower"), upper=HostPath("/nowhere/upper"))

    @override
    async def changes(self) -> ChangeSet:
        self.revision += 1
        found = [self._change(path) for path in sorted(self.baseline.keys() | self.agent.keys())]
        listed = [change for change in found if change and not self._is_hidden(change)]
        listed += [self._bulk(path) for path in sorted(self.bulks)]
        listed.sort(key=lambda change: str(change.path).encode("utf-8", "surrogateescape"))
        return ChangeSet(changes=tuple(listed), revision=self.revision)

    @override
    async def watch(self) -> AsyncIterator[None]:
        yield None

    @override
    async def read(self, side: Side, path: WorkspacePath) -> bytes:
        nodes = self.baseline if side is Side.BASELINE else self.agent
        content = nodes[path].content if path in nodes else None
        if content is None:
            raise BboxError(
                ErrorCode.REVIEW_STALE,
                cause=f"{path} is no file of the {side} any more.",
                remediation="Look at the changes again.",
            )
        return content

    @override
    async def expand(self, bulk: Change) -> tuple[Change, ...]:
        below = [path for path in sorted(self.agent) if path.is_relative_to(bulk.path)]
        changes = [self._change(path) for path in below]
        return tuple(change for change in changes if change is not None)

    def _change(self, path: WorkspacePath) -> Change | None:
        old_path = self.renames.get(path)
        was = self.baseline.get(old_path or path)
        now = self.agent.get(path)
        before, after = was.entry if was else None, now.entry if now else None
        if old_path is None and before == after:
            return None
        tier = classify(path, is_secret=is_secret)
        is_file = {entry.kind for entry in (before, after) if entry} == {EntryKind.FILE}
        return Change(
            id=identify_change(path, before, after, old_path),
            path=path,
            kind=ChangeKind.RENAMED if old_path else kind_between(before, after),
            tier=tier,
            baseline=before,
            agent=after,
            old_path=old_path,
            withheld=WITHHELD.get(tier),
            mode_changed=bool(
                is_file and before and after and before.executable is not after.executable
            ),
        )

    def _is_hidden(self, change: Change) -> bool:
        moved = change.path in self.renames.values() and change.agent is None
        return moved or any(change.path.is_relative_to(bulk) for bulk in self.bulks)

    def _bulk(self, path: WorkspacePath) -> Change:
        below = {item: node for item, node in self.agent.items() if item.is_relative_to(path)}
        entry = Entry(
            kind=EntryKind.DIRECTORY,
            mode=0o755,
            size=0,
            digest=digest_of(repr(sorted(below.items(), key=lambda pair: pair[0])).encode()),
        )
        return Change(
            id=identify_change(path, None, entry),
            path=path,
            kind=ChangeKind.BULK,
            tier=Tier.ORDINARY,
            baseline=None,
            agent=entry,
            bulk_count=len(below),
        )
