# SPDX-License-Identifier: Apache-2.0
"""The lock: which Debian packages the guest system is made of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_COLUMNS: Final = 5
_WORD: Final = re.compile(r"[A-Za-z0-9.+~:_-]+")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_HEADER: Final = """\
# SPDX-License-Identifier: Apache-2.0
# Debian packages of the guest system; `make guest-pins` refreshes this file.
# series: the package name whose newest version takes over when the pinned one is gone.
# series package version architecture sha256
"""


class PinError(Exception):
    """The lock is not valid."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pin:
    """One package file. The kernel's `package` has its version in the name, its `series` not."""

    series: str
    package: str
    version: str
    architecture: str
    sha256: str


def parse_pins(text: str) -> tuple[Pin, ...]:
    """Read a lock. Raises: PinError with the number of the line."""
    lines = enumerate(text.splitlines(), start=1)
    pins = tuple(
        _parse_line(number, line) for number, line in lines if line and not line.startswith("#")
    )
    if len({pin.series for pin in pins}) != len(pins):
        raise PinError("a series is twice in the lock")
    return pins


def format_pins(pins: Iterable[Pin]) -> str:
    """The lock's text, sorted."""
    rows = (
        f"{pin.series} {pin.package} {pin.version} {pin.architecture} {pin.sha256}\n"
        for pin in sorted(pins)
    )
    return _HEADER + "".join(rows)


def _parse_line(number: int, line: str) -> Pin:
    words = line.split()
    if len(words) != _COLUMNS or not all(_WORD.fullmatch(word) for word in words):
        raise PinError(f"line {number}: expected five words, found {line!r}")
    series, package, version, architecture, sha256 = words
    if not _SHA256.fullmatch(sha256):
        raise PinError(f"line {number}: {sha256!r} is no SHA-256")
    return Pin(
        series=series,
        package=package,
        version=version,
        architecture=architecture,
        sha256=sha256,
    )
