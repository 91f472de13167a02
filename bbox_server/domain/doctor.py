# SPDX-License-Identifier: Apache-2.0
"""What the host must have, and what it has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class CheckStatus(StrEnum):
    """`warning` runs, but worse; `failed` does not run."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One finding; `remediation` is an instruction, empty where nothing is to be done."""

    name: str
    status: CheckStatus
    detail: str
    remediation: str = ""


class HostInspector(Protocol):
    """Looks at the host without changing it."""

    async def inspect(self) -> tuple[Check, ...]:
        """All checks, in the order in which a user should fix them."""
        ...
