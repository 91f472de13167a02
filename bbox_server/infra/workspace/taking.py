# SPDX-License-Identifier: Apache-2.0
"""Taking one snapshot: walk, compare with the newest generation, make another if they differ."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import (
    FOLDS,
    PERFORMANCE_PATTERNS,
    SECURITY_PATTERNS,
    ExcludeRules,
    PathMatcher,
)
from bbox_server.domain.git import ALLOWED, GitRepositories
from bbox_server.domain.snapshot import SnapshotReport
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS, digest_of
from bbox_server.infra.workspace.copying import PERMISSIONS
from bbox_server.infra.workspace.generation import (
    GenerationBuilder,
    Previous,
    Source,
    closing_fd,
)
from bbox_server.infra.workspace.git_files import RepositoryFinder
from bbox_server.infra.workspace.git_layout import LAYOUT
from bbox_server.infra.workspace.grafting import Graft
from bbox_server.infra.workspace.manifest import Manifest
from bbox_server.infra.workspace.tree import Tree, is_file, joined
from bbox_server.infra.workspace.walk import WalkResult, WorkspaceWalk

BUILT_IN_RULES: Final = digest_of(
    repr(
        (
            SECURITY_PATTERNS,
            PERFORMANCE_PATTERNS,
            FOLDS,
            sorted((section, sorted(keys)) for section, keys in ALLOWED.items()),
            LAYOUT,
        )
    ).encode()
)
"""A generation that another version of bbox made is not built upon when these differ."""

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
    _texts: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> tuple[Path, SnapshotReport]:
        """The generation of the workspace as it is now, and what to tell about it.

        Raises:
            BboxError: snapshot.limit, dependency.missing.
            OSError: The workspace can't be listed, or there is no space.
        """
        self.store.sweep()
        with uncollected(), closing_fd(os.open(self.workspace, DIRECTORY_FLAGS)) as root_fd:
            newest = self._usable_newest()
            stamp_ns = time.time_ns()
            walked = self._walk(root_fd, newest)
            if newest is None:
                return self._build(root_fd, walked, stamp_ns, Previous())
            generation, old = newest
            _carry_absent(old.tree, walked.tree)
            fresh = self._fresh(generation, old, walked)
            is_same = walked.tree.holds_same_as(old.tree) and old.rules == self.rules
            if fresh or not is_same:
                previous = Previous(str(generation), old.tree, fresh)
                return self._build(root_fd, walked, stamp_ns, previous)
            now = replace(old, stamp_ns=stamp_ns, boot=_boot())
            if now.boot != old.boot or next(_racy(old), None) is not None:
                self.store.write_manifest(generation, now)
            return generation, self._report(generation, walked, now, copied=0)

    @property
    def _maker(self) -> str:
        """Who made a generation: other rules or another owner of its files make another."""
        owner = self.owner
        return f"{BUILT_IN_RULES} {owner.uid}:{owner.gid}" if owner is not None else BUILT_IN_RULES

    def _usable_newest(self) -> tuple[Path, Manifest] | None:
        newest = self.store.newest()
        if newest is None or newest[1].built_in != self._maker or not _survived(*newest):
            return None
        return newest

    def _walk(self, root_fd: int, newest: tuple[Path, Manifest] | None) -> WalkResult:
        is_known = newest is not None and newest[1].rules == self.rules
        finder = RepositoryFinder(self.workspace, root_fd, self.git)
        walk = WorkspaceWalk(
            repositories=finder,
            known=newest[1].tree if newest is not None and is_known else None,
            private=self.private,
            advance=lambda entries: self.advance("files seen", entries),
        )
        result = walk.run(root_fd, self.matcher)
        for work_tree, linked in finder.linked.items():
            Graft(result, work_tree, linked, walk.count).run()
        self._texts = finder.texts
        self._warnings += [*self.rules.warnings, *finder.warnings, *_borrowing(result.tree)]
        return result

    def _fresh(self, generation: Path, old: Manifest, walked: WalkResult) -> frozenset[str]:
        """Paths whose rows are as they were, and whose content in the generation isn't."""
        tree = walked.tree
        found = {
            joined(git_dir, "index")
            for git_dir in {*old.tree.skip_worktree, *tree.skip_worktree}
            if old.tree.skip_worktree.get(git_dir) != tree.skip_worktree.get(git_dir)
        }
        changed = (
            path
            for path in _racy(old)
            if self._is_changed(
                Path(walked.origins.get(path) or f"{self.workspace}/{path}"),
                generation,
                old.tree,
                path,
            )
        )
        return frozenset(found.union(changed))

    def _is_changed(self, here: Path, generation: Path, old: Tree, path: str) -> bool:
        try:
            if path in old.sources:
                return digest_of(here.read_bytes()) != old.sources[path]
            return path not in old.absent and not _equal(here, generation / path)
        except OSError:
            return True

    def _build(
        self, root_fd: int, walked: WalkResult, stamp_ns: int, previous: Previous
    ) -> tuple[Path, SnapshotReport]:
        generation = self.store.next_generation()
        builder = GenerationBuilder(
            target=f"{generation}.part",
            source=Source(root_fd, walked.tree, walked.zones, walked.origins, self._texts),
            previous=previous,
            git=self.git,
            owner=self.owner,
            advance=lambda copied: self.advance("files copied", copied),
        )
        try:
            builder.build()
            self._mark_left_out(generation, walked.tree)
            manifest = self._manifest(walked.tree, stamp_ns)
            self.store.publish(generation, manifest)
        except BaseException:
            self.store.sweep()
            raise
        return generation, self._report(generation, walked, manifest, copied=builder.copied)

    def _manifest(self, tree: Tree, stamp_ns: int) -> Manifest:
        sizes = [row[2] for rows in tree.rows.values() for row in rows if is_file(row[1])]
        return Manifest(
            tree=tree,
            stamp_ns=stamp_ns,
            rules=self.rules,
            built_in=self._maker,
            boot=_boot(),
            files=len(sizes) - len(tree.absent),
            size_bytes=sum(sizes),
        )

    def _mark_left_out(self, generation: Path, tree: Tree) -> None:
        for git_dir, paths in tree.skip_worktree.items():
            index = Path(f"{generation}.part", git_dir, "index")
            with suppress(FileNotFoundError):
                if paths and index.lstat().st_nlink == 1:  # else it is the one before, marked
                    self._mark(tree, git_dir, index, tuple(paths))

    def _mark(self, tree: Tree, git_dir: str, index: Path, paths: tuple[str, ...]) -> None:
        before = index.lstat()
        tree.sources[joined(git_dir, "index")] = digest_of(index.read_bytes())
        try:
            self.git.skip_worktree(HostPath(str(index.parent)), paths)
        except BboxError as error:
            if error.code is not ErrorCode.GIT_FAILED:
                raise
            self._warnings.append(f"git shows excluded files as deleted: {error.cause}")
        index.chmod(before.st_mode & PERMISSIONS)
        os.chown(index, before.st_uid, before.st_gid)

    def _report(
        self, generation: Path, walked: WalkResult, manifest: Manifest, *, copied: int
    ) -> SnapshotReport:
        return SnapshotReport(
            generation=generation.name,
            files=manifest.files,
            size_bytes=manifest.size_bytes,
            copied=copied,
            excluded=walked.excluded,
            secret=walked.secret,
            skipped=(
                *sorted(walked.skipped),
                *(f"{path}: {reason}" for path, reason in sorted(walked.tree.absent.items())),
            ),
            warnings=tuple(self._warnings),
        )


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic collector: hundreds of thousands of tuples make it run, for nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _borrowing(tree: Tree) -> Iterator[str]:
    for git_dir in tree.git_directories:
        if tree.row(f"{git_dir}/objects/info/alternates") is not None:
            yield (
                f"{git_dir}: borrows objects of another repository, which the sandbox can't see. "
                "To let the agent use git, run `git repack -a -d` and remove "
                "objects/info/alternates."
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


def _equal(one: Path, other: Path) -> bool:
    with one.open("rb") as left, other.open("rb") as right:
        while chunk := left.read(_CHUNK_BYTES):
            if chunk != right.read(_CHUNK_BYTES):
                return False
        return not right.read(1)


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
