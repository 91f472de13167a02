# SPDX-License-Identifier: Apache-2.0
"""Programs that bbox starts, and where they come from when they are missing."""

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

PLAIN_ENVIRONMENT: Final[Mapping[str, str]] = MappingProxyType(
    {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8"}
)
"""The environment of a child that needs nothing of the user's."""

DEBIAN_PACKAGES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "buildah": "buildah",
        "git": "git",
        "mkfs.ext4": "e2fsprogs",
        "mmdebstrap": "mmdebstrap",
        "newuidmap": "uidmap",
        "qemu-system-x86_64": "qemu-system-x86",
        "rdsquashfs": "squashfs-tools-ng",
        "setpriv": "util-linux",
        "sh": "dash",
        "tar2sqfs": "squashfs-tools-ng",
        "unshare": "util-linux",
        "virtiofsd": "qemu-system-common",
    }
)


def find_program(name: str, *, path: str = SYSTEM_PATH, places: Iterable[str] = ()) -> str:
    """Absolute path of a program, looked for in `places` (full paths) and then along `path`.

    Raises:
        BboxError: dependency.missing, with the package that has it.
    """
    if "/" in name:
        places = (*places, name)
    for place in places:
        if Path(place).is_file() and os.access(place, os.X_OK):
            return place
    found = None if "/" in name else shutil.which(name, path=path)
    if found is None:
        raise missing_program(name)
    return found


def missing_program(name: str) -> BboxError:
    """The error for a program that can't be found or executed."""
    program = PurePosixPath(name).name
    package = DEBIAN_PACKAGES.get(program)
    remedy = (
        f"Install it: apt-get install {package} (Debian, Ubuntu), or your system's own package."
        if package
        else f"Install {program} and see that it is on the PATH."
    )
    return BboxError(
        ErrorCode.DEPENDENCY_MISSING, cause=f"{name} was not found.", remediation=remedy
    )
