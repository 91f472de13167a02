# SPDX-License-Identifier: Apache-2.0
"""Wheels of the Python packages that an agent is made of, by the project's own uv."""

from pathlib import Path
from typing import Final

from images.command import call
from images.pins import WheelPins
from setup.environment import UV, uv_environment

# What Debian 12 has.
PYTHON: Final = "3.11"
_PLATFORMS: Final = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}


def install(pins: WheelPins, architecture: str, target: Path) -> None:
    """Unpack the wheels as a site-packages directory. Raises: BuildError.

    Nothing is built, and what hasn't a pinned digest is refused.
    """
    requirements = target.with_suffix(".txt")
    requirements.write_text(requirement_lines(pins))
    call(
        UV.absolute(),
        *("pip", "install", "--quiet", "--target", target, "--requirements", requirements),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"),
        *("--python-version", PYTHON, "--python-platform", _PLATFORMS[architecture]),
        env=uv_environment(),
    )
    requirements.unlink()


def requirement_lines(pins: WheelPins) -> str:
    """The pins in pip's own form."""
    lines = []
    for name, digests in pins.wheels.items():
        lines.append(" ".join((name, *(f"--hash=sha256:{digest}" for digest in digests))))
    return "".join(f"{line}\n" for line in lines)
