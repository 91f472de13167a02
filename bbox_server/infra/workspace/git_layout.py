# SPDX-License-Identifier: Apache-2.0
"""What a snapshot does with the files of a git directory (compat P-29; gitrepository-layout(5))."""

import re
from collections.abc import Callable, Container
from enum import Enum
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import is_secret
from bbox_server.domain.git import (
    MINIMAL_SETTINGS,
    GitRepositories,
    Setting,
    sanitized,
    serialized,
    standalone,
)

LAYOUT: Final = 2
"""Counts what this module and its neighbours make of git directories: another one, another copy."""

GIT_NAME: Final = ".git"
CONFIG_NAMES: Final = frozenset({"config", "config.worktree"})
TRANSFORMED_LIMIT_BYTES: Final = 16 << 20
"""A larger configuration or reflog is left out; none that git writes comes near."""

_URL_USER: Final = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]*@")

Transform = Callable[[bytes], bytes]


class GitZone(Enum):
    """Where in a git directory the walk is."""

    OUTSIDE = "outside"
    TOP = "top"
    LINKED = "linked"
    LOGS = "logs"
    WORKTREES = "worktrees"
    INSIDE = "inside"


_INNER_ZONES: Final = {"logs": GitZone.LOGS, "worktrees": GitZone.WORKTREES}


def looks_like_git_directory(names: Container[str]) -> bool:
    """Whether git would take a directory with these entries for a repository (setup.c)."""
    return "HEAD" in names and ("commondir" in names or ("objects" in names and "refs" in names))


def zone_below(zone: GitZone, name: str) -> GitZone:
    """The zone of a directory in a git directory."""
    if zone is GitZone.TOP and name in _INNER_ZONES:
        return _INNER_ZONES[name]
    return GitZone.LOGS if zone is GitZone.LOGS else GitZone.INSIDE


def is_dropped(name: str, *, is_directory: bool) -> bool:
    """Whether a snapshot leaves an entry at the top of a git directory out.

    Hooks are the host's programs; locks are of a command that runs there now; a credential helper
    may keep its file there.
    """
    if is_directory:
        return name == "hooks"
    return name.endswith(".lock") or "credential" in name or is_secret(PurePosixPath(name))


def transform_of(zone: GitZone, name: str, git: GitRepositories) -> Transform | None:
    """How a file's content differs in the snapshot, if it may."""
    match zone:
        case GitZone.TOP if name in CONFIG_NAMES:
            return lambda content: safe_config(content, git)
        case GitZone.LINKED if name in CONFIG_NAMES:
            return lambda content: standalone_config(content, git)
        case GitZone.TOP | GitZone.LINKED if name == "FETCH_HEAD":
            return without_url_users
        case GitZone.LOGS:
            return without_url_users
        case _:
            return None


def without_url_users(content: bytes) -> bytes:
    """Text in which no URL holds a user or password (older gits log them)."""
    return _URL_USER.sub(rb"\1", content)


def safe_config(content: bytes, git: GitRepositories) -> bytes:
    """The settings that a guest may see; the bare minimum where git can't read the file."""
    return serialized(sanitized(_settings(content, git)))


def standalone_config(content: bytes, git: GitRepositories) -> bytes:
    """As `safe_config`, for a repository that gets a directory of its own."""
    return serialized(standalone(sanitized(_settings(content, git))))


def _settings(content: bytes, git: GitRepositories) -> tuple[Setting, ...]:
    try:
        return git.settings(content)
    except BboxError as error:
        if error.code is not ErrorCode.GIT_FAILED:
            raise
        return MINIMAL_SETTINGS
