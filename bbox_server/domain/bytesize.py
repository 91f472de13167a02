# SPDX-License-Identifier: Apache-2.0
"""Sizes in MiB, as people write them (compat BYT)."""

import re
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode

_SIZE: Final = re.compile(r"([0-9]+)(.*)", re.ASCII | re.DOTALL)
_FACTORS: Final = {"": 1, "m": 1, "mi": 1, "mib": 1, "g": 1024, "gi": 1024, "gib": 1024}
_DIGITS: Final = 19
LIMIT_MIB: Final = 2**32 - 1


def parse_mib(text: str) -> int:
    """Read `512`, `512m` or `4g` (BYT-01); an empty text is 0.

    Raises:
        BboxError: size.invalid, naming what is wrong with it.
    """
    plain = text.strip()
    if not plain:
        return 0
    match = _SIZE.fullmatch(plain)
    if match is None:
        raise _invalid(text, "no numeric value")
    if len(match[1].lstrip("0")) > _DIGITS:
        raise _invalid(text, "value out of range")
    number, suffix = int(match[1].lstrip("0") or "0"), match[2].strip().lower()
    factor = _FACTORS.get(suffix)
    if factor is None:
        raise _invalid(text, f"unknown suffix {suffix[:20]!r}")
    if number * factor > LIMIT_MIB:
        raise _invalid(text, f"it exceeds maximum {LIMIT_MIB} MiB")
    return number * factor


def mib_of(value: int | str) -> int:
    """A size as a YAML file has it: a plain number is MiB (BYT-03). Raises as `parse_mib`."""
    return parse_mib(value if isinstance(value, str) else str(value))


def format_mib(mib: int) -> str:
    """Write a size (BYT-02)."""
    if mib == 0:
        return "0"
    return f"{mib // 1024}g" if mib % 1024 == 0 else f"{mib}m"


def _invalid(text: str, reason: str) -> BboxError:
    return BboxError(
        ErrorCode.SIZE_INVALID,
        cause=f"{text[:40]!r} is no size: {reason}.",
        remediation="Write whole MiB or GiB, such as 512m or 4g.",
    )
