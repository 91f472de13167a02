# SPDX-License-Identifier: Apache-2.0
"""One TCP connection with the guest, ended here and continued by a socket of the host."""

import socket
from enum import Enum, auto
from typing import Final

from bbox_server.domain.egress.event import CloseReason
from bbox_server.infra.egress.flow_context import FlowContext, FlowSpec
from bbox_server.infra.egress.namecheck import Mismatch
from bbox_server.infra.egress.outgoing import Outgoing
from bbox_server.infra.egress.segment import ACK, FIN, MASK, RST, SYN, Segment, after
from bbox_server.infra.egress.sending import Heard
from bbox_server.infra.egress.upstream import Upstream

_RECEIVE_BYTES: Final = 1 << 20
_SCARCE_BYTES: Final = 8 << 20
_SCARCE_WINDOW: Final = 64 << 10
_READ_BYTES: Final = 64 << 10
_READS_AT_ONCE: Final = 16
_OPENING_S: Final = 10.0
_HELLO_S: Final = 10.0
_FIN_WAIT_S: Final = 120.0
_IDLE_S: Final = 7200.0
_PROBE_S: Final = 5.0


class FlowState(Enum):
    """Where a connection is."""

    DIALING = auto()
    CALLING = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


class Flow:
    """The state machine of one connection (RFC 9293, 3.3.2), which the guest began with a SYN.

    Without one the host begins it.
    """

    def __init__(self, syn: Segment | None, spec: FlowSpec, context: FlowContext) -> None:
        self.spec = spec
        self.statistics = spec.statistics
        self.state = FlowState.DIALING
        self._context = context
        self._wire = context.wire
        self._upstream: Upstream | None = None
        self._check = spec.check
        self._outgoing = Outgoing(spec.key, context, self._free_bytes)
        self._queue = self._outgoing.queue
        if syn is not None:
            self._outgoing.take_syn(syn)
        self._ack_due = self._guest_finished = False
        self._heard_at = self._probed_at = spec.statistics.began_at

    def connected(self, upstream: socket.socket) -> None:
        """Continue on a connected socket, which the flow then owns."""
        if self.state is not FlowState.DIALING:
            upstream.close()
            return
        self._upstream = self._new_upstream(upstream)
        self.state = FlowState.OPENING
        self._outgoing.syn()
        self.statistics.was_opened = True
        self._context.observer.opened(self.spec, self._upstream.address)

    def call(self, client: socket.socket) -> None:
        """Call the guest for a client of the host's, whose socket the flow then owns."""
        self._upstream = self._new_upstream(client)
        self.state = FlowState.CALLING
        self._outgoing.syn()

    def receive(self, segment: Segment, now: float) -> None:
        """Take a segment of this connection."""
        if self.state is FlowState.CALLING:
            self._take_answer(segment)
        elif segment.flags & RST:
            self._take_reset(segment)
        elif self.state is FlowState.DIALING or segment.flags & SYN:
            self._take_syn(segment)
        elif self._take_acknowledgement(segment):
            self._heard_at = now
            if segment.payload:
                self._take_data(segment)
            if segment.flags & FIN and self.state is FlowState.OPEN:
                self._take_fin(segment)
            self._close_when_done()

    def acknowledge(self) -> None:
        """Send the acknowledgement that is due, if none went with data."""
        if self._ack_due and self.state is FlowState.OPEN:
            self._ack_due = False
            self._outgoing.acknowledgement()

    def resume(self) -> None:
        """Read from upstream again, where the guest takes data."""
        upstream = self._upstream
        if upstream and self.state is FlowState.OPEN and not self._outgoing.has_finished:
            upstream.resume()

    def tick(self, now: float) -> None:
        """Do what time demands; called a few times a second."""
        if self.state is FlowState.CLOSED or self.state is FlowState.DIALING:
            return
        if self._is_too_late(now):
            self.abort(CloseReason.IDLE)
        elif self._check and self.state is FlowState.OPEN:
            if now - self.statistics.began_at > _HELLO_S:
                self._block(self._check.expired())
        elif self._queue.is_overdue(now):
            self._repeat()
        else:
            self._keep_going(now)

    def abort(self, reason: CloseReason) -> None:
        """Reset the guest's side and close the other."""
        if self.state is not FlowState.CLOSED:
            self._outgoing.reset()
            self._close(reason)

    def _new_upstream(self, connected: socket.socket) -> Upstream:
        return Upstream(
            connected,
            self._context.budget,
            readable=self._pump,
            drained=self._on_drained,
            lost=self._on_lost,
        )

    def _take_answer(self, segment: Segment) -> None:
        """RFC 9293, 3.10.7.3: what does not acknowledge our SYN is not about it."""
        if not segment.flags & ACK or segment.acknowledgement != self._queue.sequence:
            return
        if segment.flags & RST:
            self._close(CloseReason.GUEST_RST)
        elif segment.flags & SYN:
            # Before the scale is known: this window has none (RFC 7323, 2.2).
            self._queue.acknowledge(segment)
            self._outgoing.take_syn(segment)
            self.state = FlowState.OPEN
            self._acknowledge_later()
            self.resume()

    def _take_reset(self, segment: Segment) -> None:
        distance = after(segment.sequence, self._outgoing.expected)
        if distance == 0:
            self._close(CloseReason.GUEST_RST)
        elif 0 < distance < _RECEIVE_BYTES:
            # Perhaps forged: ask (RFC 5961, 3.2).
            self._acknowledge_later()

    def _take_syn(self, segment: Segment) -> None:
        is_repeated = (segment.sequence + 1) & MASK == self._outgoing.expected
        if self.state is FlowState.OPENING and is_repeated:
            self._outgoing.repeat(is_open=False)
        elif self.state is FlowState.OPEN:
            self._acknowledge_later()

    def _take_acknowledgement(self, segment: Segment) -> bool:
        if self.state is FlowState.OPENING:
            if segment.acknowledgement != self._queue.sequence:
                return False
            self.state = FlowState.OPEN
        if segment.sequence != self._outgoing.expected:
            # A repeat, or a probe that asks for a sign of life (RFC 9293, 3.8.4).
            self._acknowledge_later()
        heard = self._queue.acknowledge(segment)
        if heard is Heard.NONSENSE:
            self._acknowledge_later()
            return False
        if heard is Heard.LOSS:
            self._repeat()
        elif heard is Heard.PROGRESS:
            self.resume()
        return True

    def _take_data(self, segment: Segment) -> None:
        self._acknowledge_later()
        known = after(self._outgoing.expected, segment.sequence)
        if not 0 <= known < len(segment.payload) or self._guest_finished:
            return
        data = segment.payload[known:]
        if len(data) > self._acceptable_bytes():
            return
        self._outgoing.expected = (self._outgoing.expected + len(data)) & MASK
        self.statistics.up_bytes += len(data)
        self._deliver(data)

    def _take_fin(self, segment: Segment) -> None:
        at = (segment.sequence + len(segment.payload)) & MASK
        self._acknowledge_later()
        if self._guest_finished or at != self._outgoing.expected or self._upstream is None:
            return
        self._outgoing.expected = (self._outgoing.expected + 1) & MASK
        self._guest_finished = True
        if self._check is None:
            self._upstream.finish()
        elif self._check.held_bytes:
            self._block(self._check.expired())
        else:
            self.abort(CloseReason.DONE)

    def _deliver(self, data: memoryview) -> None:
        if self._upstream is None:
            return
        if self._check is None:
            self._upstream.write(data)
            return
        mismatch = self._check.add(data)
        if mismatch is not None:
            self._block(mismatch)
        elif self._check.is_passed:
            held, self._check = self._check.held, None
            self._upstream.write(held)

    def _block(self, mismatch: Mismatch) -> None:
        self._context.observer.blocked(self.spec, mismatch)
        self.abort(CloseReason.PEER_RST)

    def _pump(self) -> None:
        for _ in range(_READS_AT_ONCE):
            limit = min(self._queue.space(), self._wire.data_room(), self._read_bytes)
            if self._upstream is None or limit <= 0:
                self._hold_upstream()
                return
            try:
                data = self._upstream.read(limit)
            except OSError:
                self._on_lost()
                return
            if data is None:
                return
            if not data:
                self._upstream.pause()
                self._outgoing.fin()
                return
            self.statistics.down_bytes += len(data)
            self._ack_due = False
            self._outgoing.data(data)

    def _hold_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.pause()
        if self._queue.space() > 0:
            self._wire.wait_for_room(self)

    def _repeat(self) -> None:
        if self._queue.is_given_up:
            self.abort(CloseReason.IDLE)
        else:
            self._outgoing.repeat(is_open=self.state is FlowState.OPEN)

    def _keep_going(self, now: float) -> None:
        if self._queue.space() > 0:
            self.resume()
        elif self._queue.is_window_closed and now - self._probed_at > _PROBE_S:
            # The guest's word that its window opened may be lost.
            self._probed_at = now
            self._outgoing.probe()

    def _is_too_late(self, now: float) -> bool:
        silent_s = now - self._heard_at
        if self.state is not FlowState.OPEN:
            return silent_s > _OPENING_S
        is_waiting = self._outgoing.has_finished and not self._guest_finished
        return silent_s > (_FIN_WAIT_S if is_waiting else _IDLE_S)

    @property
    def _read_bytes(self) -> int:
        # Whole segments, so that none goes out with a few bytes.
        mss = self._queue.mss
        return mss * max(1, _READ_BYTES // mss)

    def _queued_bytes(self) -> int:
        held = self._check.held_bytes if self._check else 0
        return held + (self._upstream.queued_bytes if self._upstream else 0)

    def _acceptable_bytes(self) -> int:
        # Twice the window: one that was offered may shrink when memory gets scarce.
        return min(2 * _RECEIVE_BYTES - self._queued_bytes(), self._context.budget.left)

    def _free_bytes(self) -> int:
        free = _RECEIVE_BYTES - self._queued_bytes()
        return min(free, _SCARCE_WINDOW) if self._context.budget.left < _SCARCE_BYTES else free

    def _acknowledge_later(self) -> None:
        self._ack_due = True
        self._wire.acknowledge_later(self)

    def _on_drained(self) -> None:
        self._acknowledge_later()
        self._close_when_done()

    def _on_lost(self) -> None:
        self.abort(CloseReason.PEER_RST)

    def _close_when_done(self) -> None:
        is_done = (
            self._guest_finished and self._outgoing.has_finished and self._queue.is_acknowledged
        )
        if is_done and self.state is FlowState.OPEN and not self._queued_bytes():
            self._outgoing.acknowledgement()
            self._close(CloseReason.DONE)

    def _close(self, reason: CloseReason) -> None:
        if self.state is FlowState.CLOSED:
            return
        self.state = FlowState.CLOSED
        if self._upstream is not None and reason is CloseReason.DONE:
            self._upstream.close()
        elif self._upstream is not None:
            self._upstream.reset()
        self._queue.drop()
        self._context.observer.closed(self.spec, reason)
