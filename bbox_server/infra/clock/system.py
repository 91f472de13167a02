# SPDX-License-Identifier: Apache-2.0
"""The machine's clock and randomness."""

import secrets
import time
from dataclasses import dataclass

from typing_extensions import override

from bbox_server.domain.clock import Clock, IdSource
from bbox_server.domain.session import SessionId


class SystemClock(Clock):
    """The machine's clocks."""

    @override
    def now(self) -> float:
        return time.time()

    @override
    def monotonic(self) -> float:
        return time.monotonic()


class RandomIds(IdSource):
    """Identifiers from the kernel's random source."""

    @override
    def session_id(self) -> SessionId:
        return SessionId(secrets.token_hex(4))

    @override
    def token(self) -> str:
        return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenIds(IdSource):
    """The identifier that somebody else has chosen, and new tokens."""

    session: SessionId

    @override
    def session_id(self) -> SessionId:
        return self.session

    @override
    def token(self) -> str:
        return RandomIds().token()
