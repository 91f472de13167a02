# SPDX-License-Identifier: Apache-2.0
"""Snapshots in memory: workspaces are dictionaries, generations are copies of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import is_secret
from bbox_server.domain.snapshot import Snapshot, SnapshotReport, Snapshots
from bbox_server.domain.workspace import HostPath, WorkspacePath

Files = dict[WorkspacePath, bytes]


@dataclass(kw_only=True)
class MemorySnapshots(Snapshots):
    """Keeps a generation while it is the newest of its workspace or a session holds it."""

    workspaces: dict[HostPath, Files]
    generations: dict[HostPath, Files] = field(default_factory=dict)
    newest: dict[HostPath, HostPath] = field(default_factory=dict)
    held: dict[str, HostPath] = field(default_factory=dict)
    taken: int = 0

    @override
    async def take(self, workspace: HostPath, extra_excludes: tuple[str, ...]) -> Snapshot:
        if workspace not in self.workspaces:
            raise BboxError(
                ErrorCode.WORKSPACE_INVALID,
                cause=f"{workspace}: there is no such directory.",
                remediation="Choose a directory that you can read, with --workspace.",
            )
        files = self.workspaces[workspace]
        shown = {path: content for path, content in files.items() if not is_secret(path)}
        kept = {path: text for path, text in shown.items() if path.name not in extra_excludes}
        before = self.generations.get(self.newest.get(workspace, HostPath("")))
        copied = _changed(before, kept)
        if before != kept:
            self.taken += 1
            self.newest[workspace] = HostPath(f"/generations/g{self.taken}")
            self.generations[self.newest[workspace]] = kept
        root = self.newest[workspace]
        report = SnapshotReport(
            generation=root.rpartition("/")[2],
            files=len(kept),
            size_bytes=sum(map(len, kept.values())),
            copied=copied,
            excluded=len(shown) - len(kept),
            secret=len(files) - len(shown),
            skipped=(),
        )
        return Snapshot(root=root, report=report)

    @override
    async def hold(self, session: str, snapshot: Snapshot) -> None:
        self.held[session] = snapshot.root

    @override
    async def release(self, session: str) -> None:
        if self.held.pop(session, None) is not None:
            needed = {*self.held.values(), *self.newest.values()}
            self.generations = {
                root: files for root, files in self.generations.items() if root in needed
            }


def _changed(before: Files | None, now: Mapping[WorkspacePath, bytes]) -> int:
    return sum(before is None or before.get(path) != content for path, content in now.items())
