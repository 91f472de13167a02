# SPDX-License-Identifier: Apache-2.0
"""Direct mode in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.direct import Acknowledgements, DirectWorkspaces
from bbox_server.domain.session import SessionDirectories
from bbox_server.domain.vm import WorkspaceShare
from bbox_server.domain.workspace import HostPath, below


@dataclass
class MemoryAcknowledgements(Acknowledgements):
    """Forgets all when the test ends."""

    known: set[HostPath] = field(default_factory=set)

    @override
    def has(self, workspace: HostPath) -> bool:
        return workspace in self.known

    @override
    def add(self, workspace: HostPath) -> None:
        self.known.add(workspace)


@dataclass
class MemoryDirectWorkspaces(DirectWorkspaces):
    """Shares whatever it is given."""

    @override
    async def open(self, workspace: HostPath, directories: SessionDirectories) -> WorkspaceShare:
        upper = below(directories.state, "upper")
        return WorkspaceShare(lower=workspace, upper=upper, is_direct=True)
