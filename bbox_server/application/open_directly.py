# SPDX-License-Identifier: Apache-2.0
"""Let the agent work in the workspace itself, where the user has said so."""

from dataclasses import dataclass

from bbox_server.domain.direct import (
    Acknowledgements,
    DirectWorkspaces,
    WorkspaceMode,
    not_acknowledged,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.run import RunRequest
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.vm import WorkspaceShare


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDirectly:
    """Asks once for each workspace, and says on every run what is so."""

    acknowledgements: Acknowledgements
    workspaces: DirectWorkspaces
    progress: ProgressObserver

    def check(self, request: RunRequest) -> None:
        """Refuse what direct mode can't do, or was not acknowledged, before anything starts.

        Raises:
            BboxError: cli.usage, workspace.not-acknowledged.
        """
        if request.mode is not WorkspaceMode.DIRECT:
            return
        if request.excludes:
            raise BboxError(
                ErrorCode.CLI_USAGE,
                cause="Nothing can be excluded in direct mode: the workspace is shared as it is.",
                remediation="Leave out --exclude, or --workspace-mode direct.",
            )
        if request.acknowledged:
            self.acknowledgements.add(request.workspace)
        elif not self.acknowledgements.has(request.workspace):
            raise not_acknowledged(request.workspace)

    async def __call__(
        self, request: RunRequest, directories: SessionDirectories
    ) -> WorkspaceShare:
        """The share. Raises: as DirectWorkspaces.open."""
        self.progress.warned(
            f"Direct mode: the agent writes to {request.workspace} itself; "
            "nothing is reviewed, nothing can be undone"
        )
        share = await self.workspaces.open(request.workspace, directories)
        if share.masks:
            self.progress.noted(f"Hidden from the agent: {len(share.masks)} secrets and git files")
        return share
