# SPDX-License-Identifier: Apache-2.0
"""Where bbox keeps its files on this machine (architecture.md, On disk)."""

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode

NAME: Final = "bbox"
# compatible with brood-box (compat CLI-28)
CONFIG_NAME: Final = "broodbox"
MODE: Final = 0o711


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """The four places. `runtime` must be short: socket paths end at 108 bytes (unix(7))."""

    config: Path
    state: Path
    cache: Path
    runtime: Path


def resolve_directories(environ: Mapping[str, str], *, uid: int) -> Directories:
    """XDG's places for a user, FHS's for root.

    Root's home is closed to the sandbox uid that QEMU runs as, hence /var and /run there. An XDG
    variable that is set wins for both; as the XDG specification says, a relative one is ignored.
    """
    home = Path(environ.get("HOME") or "/")
    if uid == 0:
        defaults = (Path("/var/lib"), Path("/var/cache"), Path("/run"))
    else:
        defaults = (home / ".local/state", home / ".cache", Path(f"/tmp/bbox-{uid}"))  # noqa: S108 (short, 0700, made ours before use)
    state, cache, runtime = (
        _absolute(environ.get(name, ""), default)
        for name, default in zip(
            ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"), defaults, strict=True
        )
    )
    config = _absolute(environ.get("XDG_CONFIG_HOME", ""), home / ".config")
    return Directories(
        config=config / CONFIG_NAME,
        state=state / NAME,
        cache=cache / NAME,
        runtime=runtime / NAME,
    )


def make_directories(directories: Directories) -> None:
    """Make what is missing. A sandbox user must be able to go through, and not to read.

    Raises:
        BboxError: directory.unusable where a directory can't be made or belongs to somebody else.
    """
    for path in (directories.state, directories.cache, directories.runtime):
        try:
            path.mkdir(parents=True, exist_ok=True)
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to somebody else")
            path.chmod(MODE)
        except OSError as error:
            raise BboxError(
                ErrorCode.DIRECTORY_UNUSABLE,
                cause=f"{path} can't be used: {error.strerror}.",
                remediation="Correct its owner and mode, or set XDG_STATE_HOME, XDG_CACHE_HOME and "
                "XDG_RUNTIME_DIR to directories of yours.",
            ) from error


def _absolute(value: str, default: Path) -> Path:
    return Path(value) if value.startswith("/") else default
