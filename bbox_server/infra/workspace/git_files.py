# SPDX-License-Identifier: Apache-2.0
"""Where the repositories of a workspace keep their index."""

import os
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.beneath import read_beneath
from bbox_server.infra.workspace.git_layout import GIT_NAME
from bbox_server.infra.workspace.tracked import TrackedFiles
from bbox_server.infra.workspace.tree import joined

_GITFILE_LIMIT_BYTES: Final = 8192
_GITFILE_PREFIX: Final = b"gitdir: "


class RepositoryFinder:
    """Finds the index of a work tree; git is asked when something in the tree is hidden.

    Attributes:
        warnings: Repositories that git can't work with in a sandbox, or couldn't read here.
    """

    def __init__(self, workspace: str, root_fd: int, git: GitRepositories) -> None:
        self.warnings: list[str] = []
        self._workspace = workspace
        self._root_fd = root_fd
        self._git = git

    def find(self, path: str, is_directory: bool) -> TrackedFiles | None:  # noqa: FBT001 - a callback
        """The index of the work tree in a directory of the workspace."""
        gitfile = joined(path, GIT_NAME)
        git_dir = gitfile if is_directory else self._named_in(gitfile)
        if git_dir is None:
            return None
        host = os.path.join(self._workspace, git_dir)  # noqa: PTH118 - keeps a leading slash's meaning
        inside = None if os.path.isabs(git_dir) else git_dir  # noqa: PTH117 - text, see above
        if inside is None:
            self.warnings.append(
                f"{gitfile}: a linked worktree; git doesn't work on it in the sandbox. "
                "Start in the main checkout, or in a clone, to let the agent use git."
            )
        return TrackedFiles(base=path, git_dir=inside, load=lambda: self._tracked(HostPath(host)))

    def _named_in(self, gitfile: str) -> str | None:
        """The directory that a `.git` file names: relative when it lies in the workspace."""
        try:
            content = read_beneath(self._root_fd, PurePosixPath(gitfile), _GITFILE_LIMIT_BYTES)
        except OSError:
            return None
        if not content.startswith(_GITFILE_PREFIX):
            return None
        named = os.fsdecode(content.removeprefix(_GITFILE_PREFIX).rstrip(b"\r\n"))
        base = os.path.join(self._workspace, os.path.dirname(gitfile))  # noqa: PTH118, PTH120 - text, see above
        target = os.path.normpath(os.path.join(base, named))  # noqa: PTH118 - text, see above
        if named.startswith("/") or not target.startswith(f"{self._workspace}/"):
            return target
        return target.removeprefix(f"{self._workspace}/")

    def _tracked(self, git_dir: HostPath) -> tuple[str, ...]:
        if not os.path.exists(os.path.join(git_dir, "index")):  # noqa: PTH110, PTH118 - text, see above
            return ()
        try:
            return self._git.tracked(git_dir)
        except BboxError as error:
            if error.code is not ErrorCode.GIT_FAILED:
                raise
            self.warnings.append(f"git can't read the index: {error.cause}")
            return ()
