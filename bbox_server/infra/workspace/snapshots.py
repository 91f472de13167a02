# SPDX-License-Identifier: Apache-2.0
"""Snapshots of a workspace as generations on disk (workspace.md 1)."""

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import ExcludeRules, Excludes
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.snapshot import Snapshot, Snapshots
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.baselines import Holds, WorkspaceStore, take_lease
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS
from bbox_server.infra.workspace.ownership import another_user
from bbox_server.infra.workspace.taking import Taking

_LOCK_POLL_S: Final = 0.05
_PROGRESS_S: Final = 0.25
# Collecting takes a second or so: mostly a session's end does it, where nobody waits.
_KEPT_UNASKED: Final = 8

Advance = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPlace:
    """Where generations are kept.

    Attributes:
        root: STATE/baselines.
        owner: Who the files of a generation belong to; None keeps the caller.
        private: Directories of ours that are never part of a workspace.
    """

    root: Path
    owner: SandboxUser | None = None
    private: tuple[Path, ...] = ()


class DiskSnapshots(Snapshots):
    """Generations on disk; one process at a time takes one of a workspace."""

    def __init__(
        self,
        *,
        place: SnapshotPlace,
        excludes: Excludes,
        git: GitRepositories,
        progress: Callable[[str], None] = lambda _message: None,
    ) -> None:
        """Nothing is made before the first snapshot; `progress` is called on the loop's thread."""
        self._place = place
        self._excludes = excludes
        self._git = git
        self._progress = progress
        self._holds = Holds(place.root)
        self._leases: dict[str, int] = {}

    @override
    async def take(self, workspace: HostPath, extra_excludes: tuple[str, ...]) -> Snapshot:
        resolved = await asyncio.to_thread(_resolve, workspace)
        rules = await asyncio.to_thread(self._excludes.load, HostPath(resolved), extra_excludes)
        store = WorkspaceStore(self._place.root, resolved)
        stopped = threading.Event()
        while True:
            work = asyncio.to_thread(self._try_take, store, resolved, rules, self._advance(stopped))
            try:
                taken = await work
            except asyncio.CancelledError:
                stopped.set()  # the thread ends at the next directory and cleans up after itself
                raise
            if taken is not None:
                return taken
            self._progress("waiting for another snapshot of this workspace")
            await asyncio.sleep(_LOCK_POLL_S)

    @override
    async def hold(self, session: str, snapshot: Snapshot) -> None:
        self._holds.add(session, Path(snapshot.root))
        self._end_lease(snapshot.root)

    @override
    async def release(self, session: str) -> None:
        await asyncio.to_thread(self._release, session)

    def _try_take(
        self, store: WorkspaceStore, workspace: str, rules: ExcludeRules, advance: Advance
    ) -> Snapshot | None:
        with _translated(workspace):
            store.create()
            with store.try_lock() as is_locked:
                if not is_locked:
                    return None
                taking = Taking(
                    store=store,
                    workspace=workspace,
                    rules=rules,
                    matcher=self._excludes.snapshot_matcher(rules),
                    git=self._git,
                    owner=another_user(self._place.owner),
                    private=_identities((self._place.root, *self._place.private)),
                    advance=advance,
                )
                generation, report = taking.run()
                self._begin_lease(generation)
                if len(store.generations()) > _KEPT_UNASKED:
                    store.collect(self._holds.of(store.path))
        return Snapshot(root=HostPath(str(generation)), report=report)

    def _release(self, session: str) -> None:
        path = self._holds.remove(session)
        if path is None or not path.is_dir():
            return
        store = WorkspaceStore.at(path)
        with store.try_lock() as is_locked:
            if is_locked:  # else whoever has the lock leaves the rest to the next release
                store.sweep()
                store.collect(self._holds.of(path))

    def _begin_lease(self, generation: Path) -> None:
        lease = take_lease(generation, exclusive=False)
        former = self._leases.pop(str(generation), -1)
        self._leases[str(generation)] = lease
        if former >= 0:
            os.close(former)

    def _end_lease(self, root: HostPath) -> None:
        lease = self._leases.pop(root, -1)
        if lease >= 0:
            os.close(lease)

    def _advance(self, stopped: threading.Event) -> Advance:
        loop = asyncio.get_running_loop()
        told_at = time.monotonic()

        def advance(message: str, count: int) -> None:
            nonlocal told_at
            if stopped.is_set():
                raise _StoppedError
            if time.monotonic() - told_at > _PROGRESS_S:
                told_at = time.monotonic()
                loop.call_soon_threadsafe(self._progress, f"{count} {message}")

        return advance


class _StoppedError(Exception):
    """Nobody waits for the snapshot any more."""


def _resolve(workspace: HostPath) -> str:
    """The workspace's path without links. Raises: workspace.invalid."""
    try:
        resolved = os.path.realpath(workspace, strict=True)
        fd = os.open(resolved, DIRECTORY_FLAGS)
    except OSError as error:
        raise _invalid(workspace, str(error.strerror)) from error
    os.close(fd)
    if resolved == "/":
        raise _invalid(workspace, "it is the root of the file system")
    return resolved


def _invalid(workspace: str, reason: str) -> BboxError:
    return BboxError(
        ErrorCode.WORKSPACE_INVALID,
        cause=f"{workspace}: {reason}.",
        remediation="Choose a directory that you can read, with --workspace.",
    )


def _identities(directories: tuple[Path, ...]) -> frozenset[tuple[int, int]]:
    found = []
    for directory in directories:
        with suppress(OSError):
            status = directory.stat()
            found.append((status.st_dev, status.st_ino))
    return frozenset(found)


@contextmanager
def _translated(workspace: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BboxError(
                ErrorCode.DISK_FULL,
                cause=f"The copy of {workspace} does not fit on the disk of bbox's state.",
                remediation="Free some space, or name large directories in .broodboxignore.",
            ) from error
        raise BboxError(
            ErrorCode.SNAPSHOT_FAILED,
            cause=f"{workspace}: {error}.",
            remediation="Repair what is named there, or exclude it in .broodboxignore.",
        ) from error
