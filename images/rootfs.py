# SPDX-License-Identifier: Apache-2.0
"""The base image's Debian, as a tar archive."""

import os
from pathlib import Path
from typing import Final

from images import apt
from images.command import call
from images.pins import BuildError, Pins

# Documentation is for people; licences stay.
_DPKG_OPTIONS: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)

# What mmdebstrap copies of the machine's own: its names, and how its apt reaches a mirror. The
# guest gets its own at boot.
_FORGET: Final = (
    'rm -f "$1/etc/hostname" "$1/etc/apt/apt.conf.d/99mmdebstrap"',
    ': >"$1/etc/resolv.conf"',
)


def build_rootfs(pins: Pins, output: Path) -> None:
    """Write the archive. Raises: BuildError."""
    failures = []
    for mode in _modes():
        try:
            _mmdebstrap(pins, output, mode)
        except BuildError as error:
            failures.append(str(error))
        else:
            return
    raise BuildError("\n".join(failures))


def _modes() -> tuple[str, ...]:
    # A container may lack user namespaces; its root can do without.
    return ("unshare", "root") if os.geteuid() == 0 else ("unshare",)


def _mmdebstrap(pins: Pins, output: Path, mode: str) -> None:
    base = pins.base
    sources = output.with_name("sources.list")
    sources.write_text(apt.sources(base.series))
    # Without sources of the machine's own mmdebstrap knows Debian's.
    mirrors = (sources,) if sources.stat().st_size else ()
    call(
        "mmdebstrap",
        f"--mode={mode}",
        "--variant=minbase",
        f"--include={','.join(base.packages)}",
        '--aptopt=APT::Install-Recommends "false"',
        *(f"--aptopt={option}" for option in apt.options()),
        *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
        *(f"--customize-hook={line}" for line in _FORGET),
        base.series,
        output,
        *mirrors,
        env={"SOURCE_DATE_EPOCH": str(pins.source_date_epoch)},
    )
