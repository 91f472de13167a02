# SPDX-License-Identifier: Apache-2.0
"""Where bbox keeps its files on this machine (architecture.md, On disk)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NAME: Final = "bbox"
# compatible with brood-box (compat CLI-28)
CONFIG_NAME: Final = "broodbox"


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


def _absolute(value: str, default: Path) -> Path:
    return Path(value) if value.startswith("/") else default
