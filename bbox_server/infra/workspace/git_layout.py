# SPDX-License-Identifier: Apache-2.0
"""What a snapshot does with the files of a git directory (compat P-29; gitrepository-layout(5))."""

import re
from collections.abc import Callable, Container
from enum import Enum
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.git import (
    MINIMAL_CONFIG,
    GitRepositories,
    sanitized,
    serialized,
)

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
    LOGS = "logs"
    INSIDE = "inside"


def looks_like_git_directory(names: Container[str]) -> bool:
    """Whether git would take a directory with these entries for a repository (setup.c)."""
    return "HEAD" in names and ("commondir" in names or ("objects" in names and "refs" in names))


def zone_below(zone: GitZone, name: str) -> GitZone:
    """The zone of a directory in a git directory."""
    if zone is GitZone.TOP and name == "logs":
        return GitZone.LOGS
    return GitZone.LOGS if zone is GitZone.LOGS else GitZone.INSIDE


def is_dropped(name: str, *, is_directory: bool) -> bool:
    """Whether a snapshot leaves an entry at the top of a git directory out.

    Hooks are the host's programs; locks are of a command that runs there now.
    """
    return name == "hooks" if is_directory else name.endswith(".lock")


def transform_of(zone: GitZone, name: str, git: GitRepositories) -> Transform | None:
    """How a file's content differs in the snapshot, if it may."""
    match zone:
        case GitZone.TOP if name in CONFIG_NAMES:
            return lambda content: safe_config(content, git)
        case GitZone.TOP if name == "FETCH_HEAD":
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
    try:
        return serialized(sanitized(git.settings(content)))
    except BboxError as error:
        if error.code is not ErrorCode.GIT_FAILED:
            raise
        return MINIMAL_CONFIG
