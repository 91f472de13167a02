# SPDX-License-Identifier: Apache-2.0
"""The way to a session's host, whichever process it is (protocol.md, Session API)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bbox_server.domain.session import SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a host tells unasked: an event, or the terminal's output."""

    method: str
    params: Mapping[str, object]


class SessionConnection(Protocol):
    """A client's connection to one session's host. Messages are those of the wire."""

    @property
    def session(self) -> SessionId:
        """The session that the host is for."""
        ...

    async def request(self, method: str, params: Mapping[str, object]) -> dict[str, object]:
        """Ask the host. Raises: what it answers; session.host-failed when it is gone."""
        ...

    def notices(self) -> AsyncIterator[Notice]:
        """What the host tells, in order; ends with the connection. One reader only.

        Not reading holds the host back.
        """
        ...


# A host that was started, whose connection stands once the context is entered.
StartingHost = AbstractAsyncContextManager[SessionConnection]


class SessionGateway(Protocol):
    """Finds and starts hosts. Leaving a context ends the connection, not the session."""

    def start(self) -> StartingHost:
        """A new host for a new session, to ask for a run. Raises: session.host-failed.

        The host starts with the call, so that it loads while the caller does; entering the
        context waits for it. One that is never entered ends by itself.
        """
        ...

    def connect(self, session: SessionId) -> AbstractAsyncContextManager[SessionConnection]:
        """The session's host, started where there is none.

        Raises: session.unknown, session.busy, session.host-failed.
        """
        ...
