# SPDX-License-Identifier: Apache-2.0
"""What the user said of workspaces' files: one small file a workspace."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.config.source import TrustDecision, TrustStore
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.config.reader import UnreadableError, read_small

NAME_DIGITS: Final = 32
KEPT: Final = 100
"""So many contents of one workspace's file are remembered, the latest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskTrust(TrustStore):
    """Below the state directory, which no guest reaches. An unreadable file is no trust."""

    root: Path

    @override
    def decision(self, workspace: HostPath, digest: Digest) -> TrustDecision | None:
        said = self._read(workspace).get(digest)
        return TrustDecision(said) if said in list(TrustDecision) else None

    @override
    def decide(self, workspace: HostPath, digest: Digest, decision: TrustDecision) -> None:
        said = {at: one for at, one in self._read(workspace).items() if at != digest}
        said[digest] = decision.value
        kept = dict(list(said.items())[-KEPT:])
        shown = os.fsencode(workspace).decode("utf-8", "backslashreplace")
        content = json.dumps({"workspace": shown, "decisions": kept}, indent=1)
        try:
            self.root.mkdir(mode=0o700, exist_ok=True)
            self._write(self._path(workspace), content)
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{self.root} can't be written: {error.strerror}.",
                remediation="Correct its owner and mode, or free some space.",
            ) from error

    @override
    def forget(self, workspace: HostPath) -> bool:
        path = self._path(workspace)
        was_there = path.exists()
        path.unlink(missing_ok=True)
        return was_there

    def _path(self, workspace: HostPath) -> Path:
        name = hashlib.sha256(os.fsencode(workspace)).hexdigest()[:NAME_DIGITS]
        return self.root / f"{name}.json"

    def _read(self, workspace: HostPath) -> dict[str, str]:
        try:
            content = read_small(self._path(workspace), follow_links=False)
            document = json.loads(content or b"{}")
        except (UnreadableError, ValueError, RecursionError):
            return {}
        said = document.get("decisions") if isinstance(document, dict) else None
        return {str(at): str(one) for at, one in said.items()} if isinstance(said, dict) else {}

    def _write(self, path: Path, content: str) -> None:
        fd, name = tempfile.mkstemp(dir=self.root)
        with os.fdopen(fd, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
