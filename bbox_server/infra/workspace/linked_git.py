# SPDX-License-Identifier: Apache-2.0
"""Git directories that lie outside the workspace, and belong to a work tree in it.

A linked worktree's `.git` is a file that names a directory of the main repository, and so is a
submodule's. What the file names is believed only if it names the work tree back: anybody can put a
file of that kind into an archive, and the guest would get another repository of the user's.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.git import GitRepositories

_TEXT_LIMIT_BYTES: Final = 8192
_CONFIG_LIMIT_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedGit:
    """Where the repository of a work tree is.

    Attributes:
        own: HEAD, index and what else is of this work tree alone.
        common: Objects, branches and settings; the same directory for a submodule.
    """

    own: Path
    common: Path

    @property
    def is_worktree(self) -> bool:
        """Whether other work trees share the repository."""
        return self.own != self.common


def find_linked(work_tree: Path, git_dir: Path, git: GitRepositories) -> LinkedGit | str:
    """The repository that a `.git` file names, or why it can't be given to a guest.

    Args:
        work_tree: Resolved.
        git_dir: What the file says, made absolute.
        git: To read settings.
    """
    try:
        own = git_dir.resolve(strict=True)
        common_text = _text(own / "commondir") if (own / "commondir").exists() else ""
        common = (own / common_text).resolve(strict=True)
        names_back = (
            _worktree_names_back(own, common, work_tree)
            if common != own
            else _settings_name_back(own, work_tree, git)
        )
    except (OSError, ValueError) as error:
        return f"its git directory can't be read: {getattr(error, 'strerror', None) or error}"
    if not names_back:
        return "its git directory names another work tree; `git worktree repair` mends that"
    if (common / "reftable").is_dir():
        return "its branches are kept in a way (reftable) that can't be copied"
    return LinkedGit(own=own, common=common)


def _worktree_names_back(own: Path, common: Path, work_tree: Path) -> bool:
    # Where git itself puts it (gitrepository-layout(5)): another place could name any repository
    # as its common directory.
    if own.parent != common / "worktrees":
        return False
    named = own / _text(own / "gitdir")
    return named.name == ".git" and named.parent.resolve() == work_tree


def _settings_name_back(own: Path, work_tree: Path, git: GitRepositories) -> bool:
    with (own / "config").open("rb") as file:
        content = file.read(_CONFIG_LIMIT_BYTES)
    try:
        settings = git.settings(content)
    except BboxError:
        return False
    named = [
        setting.value
        for setting in settings
        if (setting.section, setting.subsection, setting.key) == ("core", None, "worktree")
    ]
    return bool(named) and named[-1] is not None and (own / named[-1]).resolve() == work_tree


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return os.fsdecode(file.read(_TEXT_LIMIT_BYTES).rstrip(b"\r\n"))
