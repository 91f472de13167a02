# SPDX-License-Identifier: Apache-2.0
"""Diffs in memory."""

from collections.abc import Collection

from typing_extensions import override

from bbox_server.domain.diff_page import DiffPages
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, WorkspacePath


class MemoryDiffPages(DiffPages):
    """Pages by their places."""

    def __init__(self, sessions: Collection[SessionId]) -> None:
        self._sessions = sessions
        self.pages: dict[HostPath, str] = {}

    @override
    def put(self, session: SessionId, path: WorkspacePath, diff: str) -> HostPath:
        if session not in self._sessions:
            raise BboxError(ErrorCode.SESSION_UNKNOWN, cause="No session.", remediation="None.")
        page = HostPath(f"/{session}/{str(path).replace('/', '%')}.diff")
        self.pages[page] = diff
        return page
