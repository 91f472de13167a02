# SPDX-License-Identifier: Apache-2.0
"""The segments of one connection to the guest: what goes out, and what goes out again."""

from collections.abc import Callable
from typing import Final

from bbox_server.infra.egress.flow_context import FlowContext, FlowKey
from bbox_server.infra.egress.segment import (
    ACK,
    FIN,
    MASK,
    PSH,
    RST,
    SYN,
    WINDOW_SHIFT,
    Segment,
    SegmentWriter,
    parse_syn_options,
    syn_options,
)
from bbox_server.infra.egress.sending import SendQueue

_MAX_WINDOW_FIELD: Final = 0xFFFF


class Outgoing:
    """Numbers and sends segments.

    Attributes:
        queue: What the guest has not acknowledged.
        expected: The next number from the guest; each segment acknowledges up to it.
        has_finished: The FIN was sent.
    """

    def __init__(self, key: FlowKey, context: FlowContext, free: Callable[[], int]) -> None:
        """Call the guest, unless `take_syn` follows; `free`: bytes that may come from it now."""
        guest_port, remote, port = key
        self.queue = SendQueue(context.budget)
        self.expected = 0
        self.has_finished = False
        self._largest_mss = context.largest_mss
        self._shift = 0
        self._syn_flags = SYN
        self._syn_options = syn_options(context.largest_mss, scaled=True)
        self._free = free
        self._wire = context.wire
        self._writer = SegmentWriter(context.guest_mac, remote, port, guest_port)

    def take_syn(self, syn: Segment) -> None:
        """Agree to what the guest's SYN offers, be it a call or the answer to ours."""
        options = parse_syn_options(syn.options, self._largest_mss)
        self.queue.accept(options)
        self.expected = (syn.sequence + 1) & MASK
        self._shift = 0 if options.shift is None else WINDOW_SHIFT
        self._syn_flags = SYN | ACK
        self._syn_options = syn_options(self._largest_mss, scaled=options.shift is not None)

    def syn(self) -> None:
        """Call, or accept the call; nothing else has been sent before."""
        self._send_syn()
        self.queue.sent_control()

    def data(self, data: bytes) -> None:
        """Send data, in as few segments as the guest takes."""
        for start in range(0, len(data), self.queue.mss):
            piece = data[start : start + self.queue.mss]
            self._send(ACK | PSH, self.queue.sequence, piece)
            self.queue.sent(piece)

    def fin(self) -> None:
        """There is no more data."""
        self._send(FIN | ACK, self.queue.sequence)
        self.queue.sent_control()
        self.has_finished = True

    def reset(self) -> None:
        """The connection is over."""
        self._send(RST | ACK, self.queue.sequence)

    def acknowledgement(self) -> None:
        """Say what has come, and how much more may come."""
        self._send(ACK, self.queue.sequence)

    def probe(self) -> None:
        """Make the guest repeat its window: an old number is always answered."""
        self._send(ACK, (self.queue.sequence - 1) & MASK)

    def repeat(self, *, is_open: bool) -> None:
        """Send the oldest unacknowledged segment again."""
        oldest = self.queue.oldest()
        if not is_open:
            self._send_syn()
        elif oldest is not None:
            self._send(ACK | PSH, *oldest)
        elif self.has_finished:
            self._send(FIN | ACK, self.queue.oldest_sequence)

    def _send_syn(self) -> None:
        # Its window is not scaled (RFC 7323, 2.2).
        window = min(_MAX_WINDOW_FIELD, self._free())
        header = self._writer.header(
            self.queue.oldest_sequence,
            self.expected,
            self._syn_flags,
            window,
            options=self._syn_options,
        )
        self._wire.send(header)

    def _send(self, flags: int, sequence: int, payload: bytes = b"") -> None:
        window = max(0, min(_MAX_WINDOW_FIELD, self._free() >> self._shift))
        header = self._writer.header(sequence, self.expected, flags, window, payload)
        self._wire.send(header, payload)
