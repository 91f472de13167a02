# SPDX-License-Identifier: Apache-2.0
"""The Debian packages that the project needs: the only lists of them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from setup.command import SetupError, run, say

PACKAGES: Final = (
    "buildah",  # images from Containerfiles
    "busybox-static",  # the guest's scripts and disks in tests
    "ca-certificates",
    "docker-registry",  # a real one, for the tests of pulling
    "e2fsprogs",  # the guest's scratch disk
    "git",
    "iproute2",
    "mmdebstrap",  # the base image
    "musl",  # an image on it, in tests
    "openssh-client",
    "python3-venv",  # the virtual environment that uv lives in
    "qemu-system-common",  # virtiofsd
    "qemu-system-x86",
    "shellcheck",
    "squashfs-tools-ng",  # tar2sqfs
    "tmux",
    "uidmap",  # newuidmap, for mmdebstrap and buildah
    "util-linux",
)
EDITOR_PACKAGES: Final = (
    "build-essential",  # code-server's native parts, up to libkrb5-dev and pkg-config
    "chromium",
    "fonts-dejavu-core",
    "libkrb5-dev",
    "neovim",
    "pkg-config",
)
"""For the tests in real editors; nothing else needs them."""

_APT: Final = ("apt-get", "-o", "Acquire::Retries=3", "-o", "DPkg::Lock::Timeout=300")
_UNREACHABLE: Final = (
    "Check the network, and the mirror that /etc/apt/sources.list* and /etc/apt/apt.conf.d name."
)


def install_packages(packages: Sequence[str], *, euid: int) -> None:
    """Bring what is missing, when root; nothing is started when all is there.

    Raises:
        SetupError: apt failed, or is needed and this is not root.
    """
    if not shutil.which("dpkg-query"):
        say(f"not a Debian: nothing is installed; needed are {' '.join(packages)}")
        return
    missing = missing_packages(packages)
    if not missing:
        return
    if euid != 0:
        raise SetupError(
            f"{len(missing)} packages are missing and only root can install them.\n"
            f"Run this as root, then `make setup` again:\n"
            f"    apt-get update && apt-get install --no-install-recommends {' '.join(missing)}"
        )
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get update", (*_APT, "update", "-q"), hint=_UNREACHABLE, env=env)
    run(
        f"apt-get install {' '.join(missing)}",
        (*_APT, "install", "-y", "--no-install-recommends", *missing),
        hint=_UNREACHABLE,
        env=env,
    )


def missing_packages(packages: Sequence[str]) -> list[str]:
    """Those that dpkg does not know as installed."""
    known = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    return [name for name in packages if f"{name} installed" not in known]
