# SPDX-License-Identifier: Apache-2.0
"""Contents of the baseline and of the agent's view."""

import os
import stat
from dataclasses import dataclass
from typing import Final

from bbox_server.domain.change import Side
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import WorkspacePath
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS, components, open_file, parent_of

_OPAQUE: Final = "user.overlay.opaque"


@dataclass(frozen=True, slots=True, kw_only=True)
class SideReader:
    """Reads files of a size that fits into memory. The descriptors stay the caller's."""

    generation_fd: int
    upper_fd: int
    limit_bytes: int

    def read(self, side: Side, path: WorkspacePath) -> bytes:
        """A file's content, or what a symbolic link says.

        Raises:
            BboxError: review.stale when there is no such file; snapshot.limit.
        """
        match side:
            case Side.BASELINE:
                return self._read(self.generation_fd, path)
            case Side.AGENT:
                shows_baseline = self._shows_baseline(path)
                return self._read(self.generation_fd if shows_baseline else self.upper_fd, path)
            case Side.RESULT | Side.WORKSPACE:
                msg = f"an overlay has no {side} side"
                raise ValueError(msg)

    def _shows_baseline(self, path: WorkspacePath) -> bool:
        """Whether nothing of the agent's is at the path or hides it."""
        *directories, name = components(path)
        fd = os.dup(self.upper_fd)
        try:
            for part in directories:
                following = os.open(part, DIRECTORY_FLAGS, dir_fd=fd)
                os.close(fd)
                fd = following
                if _is_opaque(fd):
                    return False
            os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        else:
            return False
        finally:
            os.close(fd)

    def _read(self, root_fd: int, path: WorkspacePath) -> bytes:
        try:
            with parent_of(root_fd, path) as (directory_fd, name):
                status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
                if stat.S_ISLNK(status.st_mode):
                    return os.readlink(name, dir_fd=directory_fd)
                with os.fdopen(open_file(directory_fd, name), "rb") as file:
                    content = file.read(self.limit_bytes + 1)
        except OSError as error:
            raise BboxError(
                ErrorCode.REVIEW_STALE,
                cause=f"{path} is no longer there as a file.",
                remediation="Look at the changes again.",
            ) from error
        if len(content) > self.limit_bytes:
            raise BboxError(
                ErrorCode.SNAPSHOT_LIMIT,
                cause=f"{path} is larger than {self.limit_bytes} bytes.",
                remediation="Copy it out of the sandbox by other means, or make it smaller.",
            )
        return content


def _is_opaque(fd: int) -> bool:
    try:
        return os.getxattr(fd, _OPAQUE) == b"y"
    except OSError:
        return False
