# SPDX-License-Identifier: Apache-2.0
"""The directories that overlayfs writes: `u` for the changes, `w` for itself."""

import json
import os
from contextlib import suppress
from pathlib import Path

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.beneath import open_directory
from bbox_server.infra.workspace.ownership import another_user


def open_upper(upper: Path, owner: SandboxUser | None) -> int:
    """A descriptor of `u`, made now or the same one that was made then; the caller closes it.

    The guest can write in `upper`: which directory `u` is, is noted outside of it.

    Raises:
        BboxError: snapshot.failed, when the guest put something else in its place.
    """
    note = upper.with_name(f"{upper.name}.json")
    if not note.exists():
        _make(upper, another_user(owner))
    try:
        fd = open_directory(str(upper / "u"))
    except OSError as error:
        raise _replaced(str(error.strerror)) from error
    inode = os.fstat(fd).st_ino
    if not note.exists():
        note.write_text(json.dumps({"u": inode}))
        note.chmod(0o600)
    elif json.loads(note.read_text())["u"] != inode:
        os.close(fd)
        raise _replaced("it is another directory")
    return fd


def _make(upper: Path, owner: SandboxUser | None) -> None:
    for directory, mode in ((upper, 0o700), (upper / "u", 0o755), (upper / "w", 0o755)):
        with suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        directory.chmod(mode)
        if owner is not None:
            os.chown(directory, owner.uid, owner.gid)


def _replaced(reason: str) -> BboxError:
    return BboxError(
        ErrorCode.SNAPSHOT_FAILED,
        cause=f"The directory of the agent's changes was replaced in the sandbox: {reason}.",
        remediation="Discard the session; nothing of it was read.",
    )
