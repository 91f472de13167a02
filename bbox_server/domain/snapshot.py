# SPDX-License-Identifier: Apache-2.0
"""Snapshots: an immutable baseline of the workspace, and the agent's overlay over it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from bbox_server.domain.change import Change, ChangeSet, Side
from bbox_server.domain.vm import WorkspaceShare
from bbox_server.domain.workspace import HostPath, WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotReport:
    """What a snapshot holds and what it left out, for the user.

    Attributes:
        generation: Name of the immutable baseline below the workspace's store.
        excluded: Paths hidden by the ordinary tiers (an excluded directory counts once).
        secret: Paths hidden by the security tier.
        skipped: Sockets, fifos, devices and unreadable files, each with its reason.
        warnings: Rules without effect, and what git can't do in the guest.
    """

    generation: str
    files: int
    size_bytes: int
    copied: int
    excluded: int
    secret: int
    skipped: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A baseline generation that one session holds."""

    root: HostPath
    report: SnapshotReport


class Snapshots(Protocol):
    """Takes and keeps baselines. Generations are immutable and shared between sessions."""

    async def take(self, workspace: HostPath, extra_excludes: tuple[str, ...]) -> Snapshot:
        """Bring the workspace's newest generation up to date.

        Raises: workspace.invalid, snapshot.failed, snapshot.limit, exclude.invalid, disk.full.
        """
        ...

    async def hold(self, session: str, snapshot: Snapshot) -> None:
        """Keep the generation for a session until `release`."""
        ...

    async def release(self, session: str) -> None:
        """Let go of a session's generation and collect what nobody holds."""
        ...


class Overlay(Protocol):
    """The agent's changes over a baseline. Everything read from it is hostile input."""

    @property
    def share(self) -> WorkspaceShare:
        """The directories for the VM."""
        ...

    async def changes(self) -> ChangeSet:
        """The differences now, content-hashed, withheld ones included. Raises: snapshot.failed."""
        ...

    def watch(self) -> AsyncIterator[None]:
        """Yield soon after the agent changed something (bursts are one)."""
        ...

    async def read(self, side: Side, path: WorkspacePath) -> bytes:
        """Content of the baseline or agent side. Raises: review.stale, snapshot.limit."""
        ...

    async def expand(self, bulk: Change) -> tuple[Change, ...]:
        """The changes that a bulk change stands for, each with its own tier and content hash.

        Raises: review.stale when the directory is no longer what the bulk change was made of.
        """
        ...
