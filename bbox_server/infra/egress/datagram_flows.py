# SPDX-License-Identifier: Apache-2.0
"""UDP in permissive: datagrams to any name and public address, and what comes back."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind, Transport
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.infra.egress.bucket import TokenBucket
from bbox_server.infra.egress.datagram import Datagram, build_datagram
from bbox_server.infra.egress.dial import DialError, Target
from bbox_server.infra.egress.flow_context import FlowKey
from bbox_server.infra.egress.link_context import GuestSide, HostSide
from bbox_server.infra.egress.packet import PROTOCOL_UDP, address_text

_MAX_FLOWS: Final = 128
_NEW_RATE: Final = 50.0
_NEW_BURST: Final = 100.0
# RFC 4787, 4.3: no sooner than two minutes.
_IDLE_S: Final = 120.0
_MAX_DATAGRAM: Final = 65_535 - 20 - 8
_READS_AT_ONCE: Final = 32
_MAX_EARLY: Final = 8
_MAX_EARLY_BYTES: Final = 16 << 10

Send = Callable[[bytes, int, bytes], None]
"""Sends a packet from an address to the guest."""


@dataclass(slots=True, kw_only=True)
class _Flow:
    """The socket is None while the name is resolved; the first datagrams wait for it."""

    used_at: float
    upstream: socket.socket | None = None
    early: list[bytes] = field(default_factory=list)

    def keep(self, payload: bytes) -> None:
        """Keep a first datagram, where there are few: 128 of these are 2 MiB."""
        size = sum(map(len, self.early)) + len(payload)
        if len(self.early) < _MAX_EARLY and size <= _MAX_EARLY_BYTES:
            self.early.append(payload)


class DatagramFlows:
    """One connected socket for each port of the guest's and place that it talks to."""

    def __init__(self, guest: GuestSide, host: HostSide, send: Send) -> None:
        self._loop = asyncio.get_running_loop()
        self._guest = guest
        self._host = host
        self._send = send
        self._flows: dict[FlowKey, _Flow] = {}
        self._bucket = TokenBucket(_NEW_RATE, _NEW_BURST, self._loop.time())

    def take(self, destination: bytes, datagram: Datagram, policy: EgressPolicy) -> None:
        """Pass a datagram on, or lose it."""
        key = (datagram.source_port, destination, datagram.destination_port)
        flow = self._flows.get(key) or self._begin(key, policy)
        if flow is None:
            return
        flow.used_at = self._loop.time()
        if flow.upstream is not None:
            self._pass_on(key, flow.upstream, bytes(datagram.payload))
        else:
            flow.keep(bytes(datagram.payload))

    def tick(self) -> None:
        """End what was silent for two minutes."""
        now = self._loop.time()
        for key, flow in tuple(self._flows.items()):
            if now - flow.used_at > _IDLE_S:
                self._end(key)

    def close(self) -> None:
        """End all."""
        for key in tuple(self._flows):
            self._end(key)

    def _begin(self, key: FlowKey, policy: EgressPolicy) -> _Flow | None:
        if len(self._flows) >= _MAX_FLOWS or not self._bucket.take(self._loop.time()):
            self._block(key, BlockReason.TOO_MANY_CONNECTIONS)
            return None
        _, address, port = key
        name = self._guest.names.name(address)
        target = Target(
            name=name,
            address=address_text(address),
            port=port,
            allow_private=name is not None and policy.decide(name, port).allow_private,
        )
        flow = self._flows[key] = _Flow(used_at=self._loop.time())
        self._guest.group.create_task(self._connect(key, flow, target))
        return flow

    async def _connect(self, key: FlowKey, flow: _Flow, target: Target) -> None:
        try:
            upstream = await self._host.dialer.dial_datagrams(target)
        except DialError as error:
            self._end(key)
            self._block(key, error.reason)
            return
        if self._flows.get(key) is not flow:
            upstream.close()
            return
        flow.upstream = upstream
        self._host.log.single(self._event(key, EgressEventKind.OPEN, None))
        self._loop.add_reader(upstream, self._on_readable, key, flow)
        for payload in flow.early:
            self._pass_on(key, upstream, payload)
        flow.early.clear()

    def _pass_on(self, key: FlowKey, upstream: socket.socket, payload: bytes) -> None:
        try:
            upstream.send(payload)
        except BlockingIOError:
            # A full socket loses datagrams, as a network does.
            return
        except OSError:
            # Too large for the way, or an ICMP error about an earlier one: nothing that lasts.
            self._end(key)

    def _on_readable(self, key: FlowKey, flow: _Flow) -> None:
        guest_port, address, port = key
        for _ in range(_READS_AT_ONCE):
            if flow.upstream is None:
                return
            try:
                payload = flow.upstream.recv(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                self._end(key)
                return
            flow.used_at = self._loop.time()
            self._send(address, PROTOCOL_UDP, build_datagram(port, guest_port, payload))

    def _end(self, key: FlowKey) -> None:
        flow = self._flows.pop(key, None)
        if flow is not None and flow.upstream is not None:
            self._loop.remove_reader(flow.upstream)
            flow.upstream.close()
            flow.upstream = None

    def _block(self, key: FlowKey, reason: BlockReason) -> None:
        self._host.log.repeated(self._event(key, EgressEventKind.BLOCKED, reason))

    def _event(
        self, key: FlowKey, kind: EgressEventKind, reason: BlockReason | None
    ) -> EgressEvent:
        _, address, port = key
        return EgressEvent(
            kind=kind,
            host=self._guest.names.name(address),
            address=address_text(address),
            port=port,
            transport=Transport.UDP,
            reason=reason,
        )
