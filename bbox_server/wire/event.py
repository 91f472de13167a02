# SPDX-License-Identifier: Apache-2.0
"""Events on the wire (protocol.md): numbered from 1 in each session, without gap or repeat."""

from pydantic import Field
from pydantic.alias_generators import to_camel

from bbox_server.domain.session import EventKind, EventValue, SessionEvent
from bbox_server.wire.model import Message


class SubscribeParams(Message):
    """Hear of a session's events from a number on; the old ones are sent again.

    A client that shows `network.ask` to the user says `answersNetwork`: unknown names wait for it.
    """

    session: str
    from_seq: int = Field(default=1, ge=1)
    answers_network: bool = False


class UnsubscribeParams(Message):
    """Hear no more of a session."""

    session: str


class EventMessage(Message):
    """One thing that happened. `ts` is in seconds since the epoch; `fields` depend on the kind."""

    session: str
    seq: int
    ts: float
    kind: EventKind
    fields: dict[str, EventValue] = Field(default_factory=dict)


class LogMessage(Message):
    """What a session left to read: its newest events, oldest first, and the guest's console.

    `trace` is a file of OpenTelemetry spans on this machine, where one was written.
    """

    session: str
    events: tuple[EventMessage, ...]
    console: str
    trace: str | None = None


def event_message(event: SessionEvent) -> EventMessage:
    """An event for a client; names of its fields are camelCase."""
    return EventMessage(
        session=event.session,
        seq=event.seq,
        ts=event.at,
        kind=event.kind,
        fields={to_camel(name): value for name, value in event.fields.items()},
    )
