# SPDX-License-Identifier: Apache-2.0
"""The repositories of a workspace: where each keeps its index, and what links it to others."""

import os
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.launch import GUEST_WORKSPACE
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.workspace.beneath import read_beneath
from bbox_server.infra.workspace.git_layout import GIT_NAME
from bbox_server.infra.workspace.linked_git import LinkedGit, find_linked
from bbox_server.infra.workspace.tracked import TrackedFiles
from bbox_server.infra.workspace.tree import joined
from bbox_server.infra.workspace.walk import Repositories

_GITFILE_LIMIT_BYTES: Final = 8192
_GITFILE_PREFIX: Final = b"gitdir: "


class RepositoryFinder(Repositories):
    """Finds the index of a work tree; git is asked when something in the tree is hidden.

    Attributes:
        warnings: Repositories that git can't work with in a sandbox, or couldn't read here.
        linked: Repositories outside the workspace that take the place of a `.git` file, by the
            directory that it is in.
        texts: What links between directories of the workspace say in the guest, by path.
    """

    def __init__(self, workspace: str, root_fd: int, git: GitRepositories) -> None:
        self.warnings: list[str] = []
        self.linked: dict[str, LinkedGit] = {}
        self.texts: dict[str, bytes] = {}
        self._workspace = workspace
        self._root_fd = root_fd
        self._git = git

    @override
    def find(self, path: str, *, is_directory: bool) -> TrackedFiles | None:
        gitfile = joined(path, GIT_NAME)
        if is_directory:
            return self._tracked_files(path, gitfile)
        named = self._link(gitfile, _GITFILE_PREFIX)
        if named is None:
            return None
        inside = self._inside(named)
        if inside is not None:
            relative = os.path.relpath(f"/{inside}", f"/{path}")
            self.texts[gitfile] = _GITFILE_PREFIX + os.fsencode(relative) + b"\n"
            return self._tracked_files(path, inside)
        return self._outside(path, named)

    @override
    def keeps_worktree(self, git_dir: str) -> bool:
        # Not those of work trees elsewhere: their branches' unfinished work is none of the guest's.
        backlink = joined(git_dir, "gitdir")
        named = self._link(backlink)
        inside = None if named is None else self._inside(named)
        if inside is None:
            return False
        self.texts[backlink] = os.fsencode(f"{GUEST_WORKSPACE}/{inside}\n")
        return True

    def _outside(self, path: str, named: str) -> TrackedFiles | None:
        found = find_linked(Path(self._workspace, path), Path(named), self._git)
        if isinstance(found, str):
            self.warnings.append(
                f"{joined(path, GIT_NAME)}: git doesn't work there in the sandbox: {found}."
            )
            return None
        self.linked[path] = found
        return self._tracked_files(path, joined(path, GIT_NAME), HostPath(str(found.own)))

    def _tracked_files(self, base: str, git_dir: str, here: HostPath | None = None) -> TrackedFiles:
        host = here or HostPath(f"{self._workspace}/{git_dir}")
        return TrackedFiles(base=base, git_dir=git_dir, load=lambda: self._tracked(host))

    def _link(self, path: str, prefix: bytes = b"") -> str | None:
        """The absolute path that a file of the workspace names."""
        try:
            content = read_beneath(self._root_fd, PurePosixPath(path), _GITFILE_LIMIT_BYTES + 1)
        except OSError:
            return None
        if len(content) > _GITFILE_LIMIT_BYTES:
            return None
        named = os.fsdecode(content.removeprefix(prefix).rstrip(b"\r\n"))
        if not content.startswith(prefix) or not named or "\0" in named:
            return None
        directory = PurePosixPath(self._workspace, path).parent
        return os.path.normpath(directory / named)

    def _inside(self, named: str) -> str | None:
        """A path relative to the workspace, if it lies in it."""
        prefix = f"{self._workspace}/"
        return named.removeprefix(prefix) if named.startswith(prefix) else None

    def _tracked(self, git_dir: HostPath) -> tuple[str, ...]:
        if not Path(git_dir, "index").exists():
            return ()
        try:
            return self._git.tracked(git_dir)
        except BboxError as error:
            if error.code is not ErrorCode.GIT_FAILED:
                raise
            self.warnings.append(f"git can't read the index: {error.cause}")
            return ()
