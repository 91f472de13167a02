# SPDX-License-Identifier: Apache-2.0
"""Egress profiles, from loose to strict."""

from enum import StrEnum
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode


class EgressProfile(StrEnum):
    """How much of the network the guest may reach (compat EGR-01).

    permissive: any name and public address; standard: the agent's providers and what developers
    need; locked: the agent's providers alone. None of them reaches private addresses.
    """

    PERMISSIVE = "permissive"
    STANDARD = "standard"
    LOCKED = "locked"


_STRICTNESS: Final = tuple(EgressProfile)


def parse_profile(text: str) -> EgressProfile:
    """The profile of that name.

    Raises:
        BboxError: egress.invalid-rule.
    """
    if text in _STRICTNESS:
        return EgressProfile(text)
    raise BboxError(
        ErrorCode.EGRESS_INVALID_RULE,
        cause=f"{text[:80]!a} is an unknown egress profile.",
        remediation=f"Use one of {', '.join(_STRICTNESS)}.",
    )


def stricter(first: str, second: str) -> str:
    """The stricter of two profiles as config files have them (compat CFG-39).

    A name that is no profile loses against one that is; of two such names the first stays, and
    is refused when it is parsed.
    """
    known = [text for text in (first, second) if text in _STRICTNESS]
    if not known:
        return first
    return max(known, key=lambda text: _STRICTNESS.index(EgressProfile(text)))


def strictest(*profiles: EgressProfile | None) -> EgressProfile | None:
    """The strictest of those that are set; None where none is."""
    found = [profile for profile in profiles if profile is not None]
    return max(found, key=_STRICTNESS.index, default=None)
