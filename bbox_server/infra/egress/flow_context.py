# SPDX-License-Identifier: Apache-2.0
"""What a connection is, and what it talks to."""

from dataclasses import dataclass
from typing import Protocol

from bbox_server.domain.egress.event import CloseReason
from bbox_server.infra.egress.bucket import Budget
from bbox_server.infra.egress.dial import Target
from bbox_server.infra.egress.namecheck import Mismatch, NameCheck

FlowKey = tuple[int, bytes, int]
"""The guest's port, then address and port that it connected to."""


@dataclass(slots=True, kw_only=True)
class FlowStatistics:
    """What is counted of a connection."""

    began_at: float
    was_opened: bool = False
    up_bytes: int = 0
    down_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSpec:
    """What one connection is.

    Attributes:
        number: Joins its events.
        rule: The text of the allow-list entry that let it in.
        check: Looks at the first bytes; None lets everything through.
        is_called: The host began it, by a port that the user forwards.
    """

    number: int
    key: FlowKey
    target: Target
    statistics: FlowStatistics
    rule: str = ""
    check: NameCheck | None = None
    is_called: bool = False


class Paced(Protocol):
    """What the wire calls back."""

    def acknowledge(self) -> None:
        """Send the acknowledgement that is due."""
        ...

    def resume(self) -> None:
        """Go on with data."""
        ...


class Wire(Protocol):
    """Where segments go."""

    def send(self, header: bytes, payload: bytes = b"") -> None:
        """Send or lose a segment."""
        ...

    def data_room(self) -> int:
        """Bytes of data that can be sent now."""
        ...

    def acknowledge_later(self, flow: Paced) -> None:
        """Have `acknowledge` called once the frames at hand were looked at."""
        ...

    def wait_for_room(self, flow: Paced) -> None:
        """Have `resume` called when there is room for data."""
        ...


class FlowObserver(Protocol):
    """Who is told what becomes of a connection."""

    def opened(self, flow: FlowSpec, address: str) -> None:
        """The upstream side is connected."""
        ...

    def blocked(self, flow: FlowSpec, mismatch: Mismatch) -> None:
        """It is ended because of what it is."""
        ...

    def closed(self, flow: FlowSpec, reason: CloseReason) -> None:
        """It is over; called once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowContext:
    """What all connections of one guest share."""

    wire: Wire
    observer: FlowObserver
    budget: Budget
    guest_mac: bytes
    largest_mss: int
