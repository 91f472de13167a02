# SPDX-License-Identifier: Apache-2.0
"""What the user is asked while a connection waits (egress.md, Hold-and-ask)."""

from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """May the guest reach this name on this port? Only names can be asked for."""

    host: str
    port: int

    @override
    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Answer(StrEnum):
    """What the user says.

    once: what waits now, and what follows within a minute; session: until the session ends;
    always: in every later session too; deny: not in this session, and without another question.
    """

    ONCE = "once"
    SESSION = "session"
    ALWAYS = "always"
    DENY = "deny"
