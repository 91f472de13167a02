# SPDX-License-Identifier: Apache-2.0
"""Direct mode: the agent works in the workspace itself, without snapshot and review."""

from enum import StrEnum
from typing import Protocol

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.vm import WorkspaceShare
from bbox_server.domain.workspace import HostPath


class WorkspaceMode(StrEnum):
    """What the agent works on (compat CLI-14, CFG-07)."""

    SNAPSHOT = "snapshot"
    DIRECT = "direct"


class Acknowledgements(Protocol):
    """Workspaces whose user knows what direct mode means (CLI-15; P-37: one by one)."""

    def has(self, workspace: HostPath) -> bool:
        """Whether this one is acknowledged."""
        ...

    def add(self, workspace: HostPath) -> None:
        """Remember one. Raises: directory.unusable."""
        ...


class DirectWorkspaces(Protocol):
    """Opens workspaces for the guest to write."""

    async def open(self, workspace: HostPath, directories: SessionDirectories) -> WorkspaceShare:
        """The share, its secrets masked on the host's side.

        Raises: workspace.invalid, snapshot.limit.
        """
        ...


def not_acknowledged(workspace: HostPath) -> BboxError:
    """workspace.not-acknowledged."""
    return BboxError(
        ErrorCode.WORKSPACE_NOT_ACKNOWLEDGED,
        cause=f"In direct mode the agent writes to {workspace} itself: no snapshot, no review, "
        "no undo.",
        remediation="Say that you want that with --yes, once for this workspace; or leave "
        "--workspace-mode out.",
    )
