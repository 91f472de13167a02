# SPDX-License-Identifier: Apache-2.0
"""Which refs of the user's repositories each flush changed, for its undo."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId


@dataclass(frozen=True, slots=True, kw_only=True)
class RefChange:
    """One update that was made, or was about to be.

    Attributes:
        work_tree: Relative to the workspace.
        before: Empty where the ref was not there.
    """

    flush: int
    work_tree: str
    ref: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RefRecord:
    """A file of the session's state. One process at a time writes it."""

    path: Path

    def load(self) -> tuple[RefChange, ...]:
        """All that is noted, oldest first. Raises: session.corrupt."""
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return ()
        try:
            return tuple(RefChange(**json.loads(line)) for line in lines)
        except (TypeError, ValueError) as error:
            raise BboxError(
                ErrorCode.SESSION_CORRUPT,
                cause=f"{self.path} is not what was written there.",
                remediation="`git for-each-ref refs/bbox` lists what was fetched.",
            ) from error

    def note(self, change: RefChange) -> None:
        """Keep one, before it is made: what did not happen is seen by its undo."""
        self._save((*self.load(), change))

    def forget(self, flush: FlushId) -> None:
        """Drop what a flush did."""
        self._save(tuple(one for one in self.load() if one.flush != flush))

    def _save(self, changes: tuple[RefChange, ...]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path.with_name(f"{self.path.name}.part")
        with part.open("w") as file:
            file.writelines(f"{json.dumps(asdict(change))}\n" for change in changes)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
