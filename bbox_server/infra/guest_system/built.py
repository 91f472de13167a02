# SPDX-License-Identifier: Apache-2.0
"""Where `make build-guest` left the guest system."""

import json
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode

_MANIFEST: Final = "manifest.json"
_FILES: Final = ("vmlinux", "initramfs")
_REMEDIATION: Final = "Run `make build-guest`."


def find_built_guest(root: Path) -> Path:
    """The newest built guest below `root`, checked to be whole by its files' sizes.

    Raises:
        BboxError: guest.system-missing.
    """
    manifests = sorted(root.glob(f"*/{_MANIFEST}"), key=_age_order)
    if not manifests:
        raise _missing(f"{root} has no built guest system.")
    directory = manifests[-1].parent
    sizes = _read_sizes(manifests[-1])
    for name in _FILES:
        file = directory / name
        if not file.is_file() or file.stat().st_size != sizes.get(name):
            raise _missing(f"{file} is not the file that was built.")
    return directory


def _age_order(manifest: Path) -> tuple[int, str]:
    return manifest.stat().st_mtime_ns, manifest.parent.name


def _read_sizes(manifest: Path) -> dict[str, object]:
    try:
        files = json.loads(manifest.read_bytes())["files"]
        return {name: files[name]["size"] for name in _FILES}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _missing(f"{manifest} can't be read.") from error


def _missing(cause: str) -> BboxError:
    return BboxError(ErrorCode.GUEST_SYSTEM_MISSING, cause=cause, remediation=_REMEDIATION)
