# SPDX-License-Identifier: Apache-2.0
"""Diffs as files in a session's directory."""

import errno
import hashlib
import re
from pathlib import Path

from typing_extensions import override

from bbox_server.domain.diff_page import DiffPages
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.sessions.store import replace_durably


class DiskDiffPages(DiffPages):
    """STATE/sessions/ID/diffs, of the caller's alone."""

    def __init__(self, state: Path) -> None:
        self._sessions = state / "sessions"

    @override
    def put(self, session: SessionId, path: WorkspacePath, diff: str) -> HostPath:
        home = self._sessions / session
        if not home.is_dir():
            raise BboxError(
                ErrorCode.SESSION_UNKNOWN,
                cause=f"There is no session {session[:32]!r}.",
                remediation="Look at the list of sessions again.",
            )
        # The guest's name is no name of a file here: only what is harmless of it is shown.
        words = re.sub(r"[^A-Za-z0-9._-]", "_", path.name)
        mark = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:8]
        page = home / "diffs" / f"{mark}-{words[:80]}.diff"
        try:
            page.parent.mkdir(mode=0o700, exist_ok=True)
            replace_durably(page, diff.encode(errors="replace"))
        except OSError as error:
            code = ErrorCode.DISK_FULL if error.errno == errno.ENOSPC else ErrorCode.SESSION_CORRUPT
            raise BboxError(
                code,
                cause=f"{page} could not be written: {error.strerror}.",
                remediation="Free some space, and see that the directory is yours.",
            ) from error
        return HostPath(str(page))
