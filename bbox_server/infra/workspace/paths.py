# SPDX-License-Identifier: Apache-2.0
"""A workspace on a local disk, as far as a rule must know it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from typing_extensions import override

from bbox_server.domain.excludes import IGNORE_FILE_LIMIT_BYTES
from bbox_server.domain.explanation import WorkspacePaths
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.workspace.beneath import open_beneath, stat_beneath
from bbox_server.infra.workspace.git_files import RepositoryFinder
from bbox_server.infra.workspace.git_layout import GIT_NAME
from bbox_server.infra.workspace.present import open_workspace
from bbox_server.infra.workspace.tracked import TrackedFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskPaths(WorkspacePaths):
    """Looks at one path at a time."""

    workspace: HostPath
    git: GitRepositories

    @override
    def is_directory(self, path: WorkspacePath) -> bool:
        with self._root() as root_fd:
            return _is_directory(root_fd, path)

    @override
    def ignore_file(self, path: WorkspacePath) -> bytes | None:
        with self._root() as root_fd:
            try:
                fd = open_beneath(root_fd, path)
            except OSError:
                return None
            with os.fdopen(fd, "rb") as file:
                content = file.read(IGNORE_FILE_LIMIT_BYTES + 1)
        return content if len(content) <= IGNORE_FILE_LIMIT_BYTES else None

    @override
    def is_tracked(self, path: WorkspacePath, *, is_directory: bool) -> bool:
        with self._root() as root_fd:
            tracked = self._index(root_fd, path)
            if tracked is None:
                return False
            name = str(path)
            return bool(tracked.below(name)) if is_directory else tracked.contains(name)

    def _index(self, root_fd: int, path: WorkspacePath) -> TrackedFiles | None:
        """The index of the work tree that a path lies in."""
        finder = RepositoryFinder(self.workspace, root_fd, self.git)
        for directory in path.parents:
            is_root = not directory.parts
            try:
                status = stat_beneath(root_fd, directory / GIT_NAME)
            except OSError:
                continue
            place = "" if is_root else str(directory)
            return finder.find(place, is_directory=stat.S_ISDIR(status.st_mode))
        return None

    @contextmanager
    def _root(self) -> Iterator[int]:
        root_fd = open_workspace(self.workspace)
        try:
            yield root_fd
        finally:
            os.close(root_fd)


def _is_directory(root_fd: int, path: WorkspacePath) -> bool:
    try:
        return stat.S_ISDIR(stat_beneath(root_fd, path).st_mode)
    except OSError:
        return False
