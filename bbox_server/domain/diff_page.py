# SPDX-License-Identifier: Apache-2.0
"""Diffs as files: for editors that show nothing else (LSP 3.17, window/showDocument)."""

from typing import Protocol

from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, WorkspacePath


class DiffPages(Protocol):
    """Where a session's diffs are, outside of the workspace and gone with the session."""

    def put(self, session: SessionId, path: WorkspacePath, diff: str) -> HostPath:
        """A file with the diff of a path; another diff of the same path takes its place.

        Raises: session.unknown, session.corrupt, disk.full.
        """
        ...
