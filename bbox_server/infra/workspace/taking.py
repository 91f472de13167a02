# SPDX-License-Identifier: Apache-2.0
"""Taking one snapshot: walk, compare with the newest generation, make another if they differ."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import ExcludeRules, PathMatcher
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.snapshot import SnapshotReport
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS
from bbox_server.infra.workspace.copying import PERMISSIONS
from bbox_server.infra.workspace.generation import (
    GenerationBuilder,
    Previous,
    Source,
    closing_fd,
)
from bbox_server.infra.workspace.git_files import RepositoryFinder
from bbox_server.infra.workspace.manifest import Manifest
from bbox_server.infra.workspace.tree import Tree, is_file, joined
from bbox_server.infra.workspace.walk import WalkResult, WorkspaceWalk

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

# Coarse file systems keep whole or even seconds; a change in the same tick keeps the times.
_RACY_NS: Final = 2_000_000_000
_CHUNK_BYTES: Final = 1 << 20


@dataclass(slots=True)
class Taking:
    """One snapshot. The caller holds the store's lock.

    Attributes:
        workspace: Resolved: no link in it.
        private: Device and inode of directories that are no part of any workspace.
        advance: Told the entries walked or files copied so far; may raise to stop it all.
    """

    store: WorkspaceStore
    workspace: str
    rules: ExcludeRules
    matcher: PathMatcher
    git: GitRepositories
    owner: SandboxUser | None
    private: frozenset[tuple[int, int]]
    advance: Callable[[str, int], None]
    _warnings: list[str] = field(default_factory=list)

    def run(self) -> tuple[Path, SnapshotReport]:
        """The generation of the workspace as it is now, and what to tell about it.

        Raises:
            BboxError: snapshot.limit, dependency.missing.
            OSError: The workspace can't be listed, or there is no space.
        """
        self.store.sweep()
        stamp_ns = time.time_ns()
        with closing_fd(os.open(self.workspace, DIRECTORY_FLAGS)) as root_fd:
            walked = self._walk(root_fd)
            newest = self.store.newest()
            if newest is not None and not _survived(*newest):
                newest = None
            manifest = Manifest(walked.tree, stamp_ns, _boot(), self.rules)
            if newest is None:
                return self._build(root_fd, walked, manifest, Previous())
            generation, old = newest
            _carry_absent(old.tree, walked.tree)
            fresh = self._fresh(generation, old, walked.tree)
            if not fresh and old.tree == walked.tree and old.rules == self.rules:
                if old.boot != manifest.boot or next(_racy(old), None) is not None:
                    self.store.write_manifest(generation, manifest)
                return generation, self._report(generation, walked, copied=0)
            previous = Previous(str(generation), old.tree, fresh)
            return self._build(root_fd, walked, manifest, previous)

    def _walk(self, root_fd: int) -> WalkResult:
        finder = RepositoryFinder(self.workspace, root_fd, self.git)
        walk = WorkspaceWalk(
            find_repository=finder.find,
            private=self.private,
            advance=lambda entries: self.advance("files seen", entries),
        )
        result = walk.run(root_fd, self.matcher)
        self._warnings += [*self.rules.warnings, *finder.warnings]
        return result

    def _fresh(self, generation: Path, old: Manifest, tree: Tree) -> frozenset[str]:
        """Paths whose rows are as they were, and whose content in the generation isn't."""
        found = {
            joined(git_dir, "index")
            for git_dir in {*old.tree.skip_worktree, *tree.skip_worktree}
            if old.tree.skip_worktree.get(git_dir) != tree.skip_worktree.get(git_dir)
        }
        for path in _racy(old):
            if not _equal(f"{self.workspace}/{path}", f"{generation}/{path}"):
                found.add(path)
        return frozenset(found)

    def _build(
        self, root_fd: int, walked: WalkResult, manifest: Manifest, previous: Previous
    ) -> tuple[Path, SnapshotReport]:
        generation = self.store.next_generation()
        builder = GenerationBuilder(
            target=f"{generation}.part",
            source=Source(root_fd, walked.tree, walked.zones),
            previous=previous,
            git=self.git,
            owner=self.owner,
            advance=lambda copied: self.advance("files copied", copied),
        )
        try:
            builder.build()
            self._mark_left_out(generation, walked.tree)
            self.store.publish(generation, manifest)
        except BaseException:
            self.store.sweep()
            raise
        return generation, self._report(generation, walked, copied=builder.copied)

    def _mark_left_out(self, generation: Path, tree: Tree) -> None:
        for git_dir, paths in tree.skip_worktree.items():
            index = Path(f"{generation}.part", git_dir, "index")
            with suppress(FileNotFoundError):
                if paths and index.lstat().st_nlink == 1:  # else it is the one before, marked
                    self._mark(index, tuple(paths))

    def _mark(self, index: Path, paths: tuple[str, ...]) -> None:
        before = index.lstat()
        try:
            self.git.skip_worktree(HostPath(str(index.parent)), paths)
        except BboxError as error:
            if error.code is not ErrorCode.GIT_FAILED:
                raise
            self._warnings.append(f"git shows excluded files as deleted: {error.cause}")
        index.chmod(before.st_mode & PERMISSIONS)
        os.chown(index, before.st_uid, before.st_gid)

    def _report(self, generation: Path, walked: WalkResult, *, copied: int) -> SnapshotReport:
        tree = walked.tree
        sizes = [row[2] for rows in tree.rows.values() for row in rows if is_file(row[1])]
        return SnapshotReport(
            generation=generation.name,
            files=len(sizes) - len(tree.absent),
            size_bytes=sum(sizes),
            copied=copied,
            excluded=walked.excluded,
            secret=walked.secret,
            skipped=(
                *sorted(walked.skipped),
                *(f"{path}: {reason}" for path, reason in sorted(tree.absent.items())),
                *self._warnings,
            ),
        )


def _carry_absent(old: Tree, new: Tree) -> None:
    """What could not be read is not tried again before it changes."""
    for path, reason in old.absent.items():
        row = new.row(path)
        if row is not None and row == old.row(path):
            new.absent[path] = reason


def _racy(manifest: Manifest) -> Iterator[str]:
    """Files that may have changed after they were copied without a difference in their times."""
    first, last = manifest.stamp_ns - _RACY_NS, manifest.stamp_ns + _RACY_NS
    for directory, rows in manifest.tree.rows.items():
        for row in rows:
            if (row[4] > first or first < row[3] < last) and is_file(row[1]):
                yield joined(directory, row[0])


def _equal(one: str, other: str) -> bool:
    try:
        with Path(one).open("rb") as left, Path(other).open("rb") as right:
            while chunk := left.read(_CHUNK_BYTES):
                if chunk != right.read(_CHUNK_BYTES):
                    return False
            return not right.read(1)
    except OSError:
        return False


def _boot() -> str:
    return _BOOT_ID.read_text().strip()


def _survived(generation: Path, manifest: Manifest) -> bool:
    """Whether a generation is whole: after a power loss, new files may have been cut short."""
    if manifest.boot == _boot():
        return True
    for directory, rows in manifest.tree.rows.items():
        for row in rows:
            path = joined(directory, row[0])
            if is_file(row[1]) and path not in manifest.tree.absent:
                with suppress(OSError):
                    if (generation / path).lstat().st_size == row[2]:
                        continue
                return False
    return True
