# SPDX-License-Identifier: Apache-2.0
"""What was sent to the guest and isn't acknowledged yet (RFC 9293, 3.4 and 3.8)."""

import secrets
from collections import deque
from enum import Enum, auto
from typing import Final

from bbox_server.infra.egress.bucket import ENTRY_BYTES, Budget
from bbox_server.infra.egress.segment import MASK, MIN_MSS, Segment, SynOptions, after

_MAX_WINDOW: Final = 4 << 20
_FIRST_TIMEOUT_S: Final = 1.0
_MAX_TIMEOUT_S: Final = 8.0
_MAX_REPEATS: Final = 8
_DUPLICATES: Final = 3


class Heard(Enum):
    """What an acknowledgement says."""

    NONSENSE = auto()
    NOTHING_NEW = auto()
    PROGRESS = auto()
    LOSS = auto()


class SendQueue:
    """Sequence numbers, the guest's window and what may have to be sent again.

    The link loses nothing and keeps the order, so there is no congestion to control; repeats are
    a net for what a guest throws away when it has no memory.
    """

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._first = self._next = secrets.randbits(32)
        self._unacknowledged: deque[tuple[int, bytes]] = deque()
        self._window = 0
        self._shift = 0
        self._duplicates = 0
        self._repeats = 0
        self._timer_at: float | None = None
        self.mss = MIN_MSS

    @property
    def sequence(self) -> int:
        """The next sequence number."""
        return self._next

    @property
    def oldest_sequence(self) -> int:
        """The first that is not acknowledged."""
        return self._first

    @property
    def is_acknowledged(self) -> bool:
        """Whether the guest has everything."""
        return self._first == self._next

    @property
    def is_given_up(self) -> bool:
        """Whether the guest stayed silent for too many repeats."""
        return self._repeats > _MAX_REPEATS

    def accept(self, options: SynOptions) -> None:
        """Take over what the guest's SYN offers."""
        self.mss = options.mss
        self._shift = options.shift or 0

    @property
    def is_window_closed(self) -> bool:
        """Whether the guest takes nothing now."""
        return self._window == 0

    def space(self) -> int:
        """Bytes that may be sent now."""
        in_flight = after(self._next, self._first)
        return max(0, min(min(self._window, _MAX_WINDOW) - in_flight, self._budget.left))

    def sent(self, data: bytes) -> None:
        """Count data as sent and keep it."""
        self._unacknowledged.append((self._next, data))
        self._budget.hold(len(data) + ENTRY_BYTES)
        self._next = (self._next + len(data)) & MASK

    def sent_control(self) -> None:
        """Count a SYN or FIN, which takes one number."""
        self._next = (self._next + 1) & MASK

    def acknowledge(self, segment: Segment) -> Heard:
        """Take a segment's acknowledgement and window."""
        progress = after(segment.acknowledgement, self._first)
        if progress > after(self._next, self._first):
            return Heard.NONSENSE
        if progress < 0:
            return Heard.NOTHING_NEW
        # Segments without SYN: those have an unscaled window (RFC 7323, 2.2).
        window = segment.window << self._shift
        is_repeat = not progress and not segment.payload and window == self._window
        self._window = window
        if is_repeat:
            return self._duplicate()
        if progress:
            self._first = segment.acknowledgement
            self._duplicates = self._repeats = 0
            self._timer_at = None
            self._forget()
        return Heard.PROGRESS

    def oldest(self) -> tuple[int, bytes] | None:
        """The first segment that is not acknowledged; None where only a FIN or nothing is."""
        return self._unacknowledged[0] if self._unacknowledged else None

    def is_overdue(self, now: float) -> bool:
        """Whether it is time to send the oldest again; the time doubles with each."""
        if self.is_acknowledged:
            self._timer_at = None
            return False
        if self._timer_at is None:
            self._timer_at = now + min(_FIRST_TIMEOUT_S * 2**self._repeats, _MAX_TIMEOUT_S)
            return False
        if now < self._timer_at:
            return False
        self._repeats += 1
        self._timer_at = None
        return True

    def drop(self) -> None:
        """Forget everything: the connection is over."""
        self._budget.hold(-sum(len(data) + ENTRY_BYTES for _, data in self._unacknowledged))
        self._unacknowledged.clear()

    def _duplicate(self) -> Heard:
        self._duplicates += 1
        is_lost = bool(self._unacknowledged) and self._duplicates == _DUPLICATES
        return Heard.LOSS if is_lost else Heard.NOTHING_NEW

    def _forget(self) -> None:
        queue = self._unacknowledged
        while queue and after(self._first, queue[0][0]) >= len(queue[0][1]):
            self._budget.hold(-len(queue.popleft()[1]) - ENTRY_BYTES)
