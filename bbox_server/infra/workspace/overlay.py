# SPDX-License-Identifier: Apache-2.0
"""The agent's overlay: two directories that the guest writes, and the changes in them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

from bbox_server.domain.change import Change, ChangeSet, Side, Tier
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import IGNORE_FILE_LIMIT_BYTES, Excludes
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.snapshot import Overlay
from bbox_server.domain.vm import WorkspaceShare
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.beneath import open_directory, read_beneath
from bbox_server.infra.workspace.deltas import Delta
from bbox_server.infra.workspace.hashing import Hashes
from bbox_server.infra.workspace.limits import CHANGE_LIMITS, ChangeLimits
from bbox_server.infra.workspace.listing import Listing
from bbox_server.infra.workspace.manifest import Manifest, ManifestDamagedError, read
from bbox_server.infra.workspace.sides import SideReader
from bbox_server.infra.workspace.tracked import TrackedFiles
from bbox_server.infra.workspace.tree import is_file, joined
from bbox_server.infra.workspace.upper import UpperWalk
from bbox_server.infra.workspace.upper_directory import open_upper
from bbox_server.infra.workspace.watch import watch_directory
from bbox_server.infra.workspace.withholding import Withholding

_UNBOUNDED: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlayPlace:
    """Where an overlay is.

    Attributes:
        generation: What a snapshot gave as its root.
        upper: The session's directory for `u` and `w`; made when it is not there.
        owner: Who they belong to; None keeps the caller.
    """

    generation: HostPath
    upper: HostPath
    owner: SandboxUser | None = None


class DiskOverlay(Overlay):
    """Holds a descriptor of `u` from its start: whatever the guest puts there later is not used."""

    def __init__(
        self,
        *,
        place: OverlayPlace,
        excludes: Excludes,
        git: GitRepositories,
        classify: Callable[[WorkspacePath], Tier],
        limits: ChangeLimits = CHANGE_LIMITS,
    ) -> None:
        """Make or open the upper directory.

        Args:
            place: Its directories.
            excludes: For the diff's matcher.
            git: For the index in the generation.
            classify: The tier of a path.
            limits: What is listed one by one.

        Raises:
            BboxError: snapshot.failed, when `u` is no longer the directory that it was.
        """
        self._place = place
        self._excludes = excludes
        self._git = git
        self._classify = classify
        self._limits = limits
        self._tiers: dict[str, Tier] = {}
        self._known: dict[str, tuple[Delta, Change | None]] = {}
        self._manifest: Manifest | None = None
        self._revision = 0
        self._last: tuple[Change, ...] | None = None
        self._turn = asyncio.Lock()
        self._generation_fd = open_directory(place.generation)
        try:
            self._upper_fd = open_upper(Path(place.upper), place.owner)
        except BaseException:
            os.close(self._generation_fd)
            raise
        self._hashes = Hashes(baseline_fd=self._generation_fd, upper_fd=self._upper_fd)

    def close(self) -> None:
        """Close the descriptors; the overlay is of no use afterwards."""
        os.close(self._upper_fd)
        os.close(self._generation_fd)

    @property
    @override
    def share(self) -> WorkspaceShare:
        return WorkspaceShare(lower=self._place.generation, upper=self._place.upper)

    @override
    async def changes(self) -> ChangeSet:
        async with self._turn:
            found = await asyncio.to_thread(self._list, self._limits, "")
            if found != self._last:
                self._revision += 1
                self._last = found
            return ChangeSet(changes=found, revision=self._revision)

    @override
    async def expand(self, bulk: Change) -> tuple[Change, ...]:
        async with self._turn:
            now = await asyncio.to_thread(self._list, self._limits, "")
            if all(change.id != bulk.id for change in now):
                raise _stale(bulk.path)
            unbounded = replace(self._limits, bulk_files=_UNBOUNDED)
            return await asyncio.to_thread(self._list, unbounded, str(bulk.path))

    @override
    def watch(self) -> AsyncIterator[None]:
        return watch_directory(self._upper_fd)

    @override
    async def read(self, side: Side, path: WorkspacePath) -> bytes:
        reader = SideReader(
            generation_fd=self._generation_fd,
            upper_fd=self._upper_fd,
            limit_bytes=self._limits.file_bytes,
        )
        return await asyncio.to_thread(reader.read, side, path)

    def _list(self, limits: ChangeLimits, within: str) -> tuple[Change, ...]:
        try:
            manifest = self._loaded()
            withholding = Withholding(
                self._excludes.diff_matcher(manifest.rules, self._ignore_file),
                manifest.tree,
                self._tracked,
            )
            upper = UpperWalk(withholding.descend).run(self._upper_fd)
            return Listing(
                baseline=manifest.tree,
                upper=upper,
                withholding=withholding,
                hashes=self._hashes,
                classify=self._tier,
                limits=limits,
                known=self._known,
                within=within,
            ).run()
        except (OSError, ManifestDamagedError) as error:
            raise BboxError(
                ErrorCode.SNAPSHOT_FAILED,
                cause=f"The snapshot at {self._place.generation} is damaged: {error}.",
                remediation="Save what you need from the session's directory, and discard it.",
            ) from error

    def _loaded(self) -> Manifest:
        if self._manifest is None:
            self._manifest = read(WorkspaceStore.manifest_of(Path(self._place.generation)))
        return self._manifest

    def _ignore_file(self, path: WorkspacePath) -> bytes | None:
        # The user's, of the baseline: an ignore file of the agent's own could hide its changes.
        row = self._loaded().tree.find(str(path))
        if row is None or not is_file(row[1]) or row[2] > IGNORE_FILE_LIMIT_BYTES:
            return None
        return read_beneath(self._generation_fd, path, IGNORE_FILE_LIMIT_BYTES)

    def _tier(self, path: str) -> Tier:
        known = self._tiers.get(path)
        if known is None:
            known = self._tiers[path] = self._classify(PurePosixPath(path))
        return known

    def _tracked(self, directory: str) -> TrackedFiles:
        git_dir = joined(directory, ".git")
        host = HostPath(f"{self._place.generation}/{git_dir}")
        return TrackedFiles(base=directory, git_dir=git_dir, load=lambda: self._index(host))

    def _index(self, git_dir: HostPath) -> tuple[str, ...]:
        # Without an index nothing is tracked, and what is ignored stays withheld.
        with suppress(BboxError):
            return self._git.tracked(git_dir)
        return ()


def _stale(path: WorkspacePath) -> BboxError:
    return BboxError(
        ErrorCode.REVIEW_STALE,
        cause=f"{path} is no longer what it was when it was listed.",
        remediation="Look at the changes again.",
    )
