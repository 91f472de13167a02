# SPDX-License-Identifier: Apache-2.0
"""The user's files as they are now."""

import asyncio
import errno
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import WorkspaceFiles
from bbox_server.domain.plan import ABSENT, Present, PresentKind
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.workspace.beneath import (
    DIRECTORY_FLAGS,
    components,
    digest_of_descriptor,
    open_directory,
    open_file,
    parent_of,
    read_beneath,
)

_UNREADABLE: Final = Present(kind=PresentKind.UNREADABLE)

# On the way to a path: nothing there, a file or link in the way, a name that can't exist here.
_NOTHING_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskWorkspace(WorkspaceFiles):
    """The workspace on a local disk."""

    workspace: HostPath

    @override
    async def observe(self, paths: Sequence[WorkspacePath]) -> Mapping[WorkspacePath, Present]:
        return await asyncio.to_thread(self._observe, paths)

    @override
    async def read(self, path: WorkspacePath, limit_bytes: int) -> bytes:
        return await asyncio.to_thread(self._read, path, limit_bytes)

    def _observe(self, paths: Iterable[WorkspacePath]) -> dict[WorkspacePath, Present]:
        root_fd = open_workspace(self.workspace)
        try:
            return {path: present_beneath(root_fd, path) for path in paths}
        finally:
            os.close(root_fd)

    def _read(self, path: WorkspacePath, limit_bytes: int) -> bytes:
        root_fd = open_workspace(self.workspace)
        try:
            return read_beneath(root_fd, path, limit_bytes)
        except OSError as error:
            raise BboxError(
                ErrorCode.FLUSH_STALE,
                cause=f"{path} can't be read: {error.strerror}.",
                remediation="Look at the changes again.",
            ) from error
        finally:
            os.close(root_fd)


def open_workspace(workspace: HostPath) -> int:
    """A descriptor of the workspace, which the caller closes. Raises: workspace.invalid."""
    try:
        return open_directory(workspace)
    except OSError as error:
        raise BboxError(
            ErrorCode.WORKSPACE_INVALID,
            cause=f"{workspace} can't be opened: {error.strerror}.",
            remediation="Bring the folder back, or give the one it is now with --workspace.",
        ) from error


def present_beneath(root_fd: int, path: WorkspacePath) -> Present:
    """What is at a path now; a link on the way counts as nothing there."""
    try:
        with parent_of(root_fd, path) as (directory_fd, name):
            return present_at(directory_fd, name)
    except OSError as error:
        return ABSENT if error.errno in _NOTHING_THERE else _UNREADABLE


def present_at(directory_fd: int, name: bytes) -> Present:
    """What has a name in a directory; contents are hashed."""
    try:
        status = os.stat(name, dir_fd=directory_fd, follow_symlinks=False)
        return _present(directory_fd, name, status)
    except FileNotFoundError:
        return ABSENT
    except OSError:
        return _UNREADABLE


def is_as_expected(expected: Present, now: Present) -> bool:
    """Whether the kind of thing and its content are the expected ones; modes don't count."""
    return (expected.kind, expected.digest, expected.link_target) == (
        now.kind,
        now.digest,
        now.link_target,
    )


def _present(directory_fd: int, name: bytes, status: os.stat_result) -> Present:
    mode = stat.S_IMODE(status.st_mode)
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFREG:
            fd = open_file(directory_fd, name)
            try:
                digest = digest_of_descriptor(fd)
            finally:
                os.close(fd)
            kind = PresentKind.FILE
            return Present(kind=kind, mode=mode, digest=digest, links=status.st_nlink)
        case stat.S_IFLNK:
            target = os.fsdecode(os.readlink(name, dir_fd=directory_fd))
            return Present(kind=PresentKind.SYMLINK, mode=0o777, link_target=target)
        case stat.S_IFDIR:
            names = _names(directory_fd, name)
            return Present(kind=PresentKind.DIRECTORY, mode=mode, names=names)
        case _:
            return Present(kind=PresentKind.SPECIAL, mode=mode)


def _names(directory_fd: int, name: bytes) -> tuple[str, ...]:
    fd = os.open(name, DIRECTORY_FLAGS, dir_fd=directory_fd)
    try:
        with os.scandir(fd) as entries:
            return tuple(sorted(entry.name for entry in entries))
    finally:
        os.close(fd)


def existing_parent(root_fd: int, path: WorkspacePath) -> tuple[int, int]:
    """The nearest directory on the way to a path that exists.

    Returns:
        Its descriptor, which the caller closes, and how many components lead to it.
    """
    current = os.dup(root_fd)
    depth = 0
    for part in components(path)[:-1]:
        try:
            following = os.open(part, DIRECTORY_FLAGS, dir_fd=current)
        except (FileNotFoundError, NotADirectoryError):
            break
        except OSError:
            os.close(current)
            raise
        os.close(current)
        current, depth = following, depth + 1
    return current, depth
