# SPDX-License-Identifier: Apache-2.0
"""One guest on the other end of a socket: its frames, and what answers each."""

import asyncio
import socket
from typing import Final, Never

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind, Transport
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.infra.egress.address import may_dial
from bbox_server.infra.egress.bucket import TokenBucket
from bbox_server.infra.egress.connections import Connections
from bbox_server.infra.egress.datagram import build_datagram, parse_datagram
from bbox_server.infra.egress.datagram_flows import DatagramFlows
from bbox_server.infra.egress.frame import FrameReader, LinkViolationError
from bbox_server.infra.egress.icmp import echo_reply, prohibited
from bbox_server.infra.egress.link_context import GuestSide, HostSide
from bbox_server.infra.egress.names import NameTable
from bbox_server.infra.egress.nameserver import NameServer
from bbox_server.infra.egress.packet import (
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    GATEWAY,
    GUEST,
    PROTOCOL_ICMP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    Frame,
    Packet,
    address_text,
    arp_reply,
    arp_request,
    build_frame,
    build_packet,
    parse_frame,
    parse_packet,
)
from bbox_server.infra.egress.segment import parse_segment
from bbox_server.infra.egress.wire import GuestWire

_TICK_S: Final = 0.2
_DNS_PORT: Final = 53
_CONTROL_RATE: Final = 100.0
_CONTROL_BURST: Final = 200.0
_GROUP_BIT: Final = 1
_MAX_EARLY: Final = 16
# A guest that boots asks for these by itself: DHCP, mDNS, LLMNR, SSDP, NTP.
_QUIET_PORTS: Final = frozenset((67, 123, 1900, 5353, 5355))


class _EndedError(Exception):
    pass


def _end_group() -> Never:
    # The only way in which a group ends its tasks.
    raise _EndedError


class GuestLink:
    """The network of the guest behind one socket."""

    def __init__(self, link: socket.socket, host: HostSide, policy: EgressPolicy) -> None:
        self._link = link
        self._host = host
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._wire = GuestWire(link)
        self._names = NameTable()
        self._control = TokenBucket(_CONTROL_RATE, _CONTROL_BURST, self._loop.time())
        self._ended = asyncio.Event()
        self._guest_mac: bytes | None = None
        self._connections: Connections | None = None
        self._datagrams: DatagramFlows | None = None
        self._group: asyncio.TaskGroup | None = None
        self._nameserver: NameServer | None = None
        self._early: list[tuple[socket.socket, int]] = []

    def update(self, policy: EgressPolicy) -> None:
        """Use another policy at once."""
        self._policy = policy
        if self._connections is not None:
            self._connections.update(policy)
        if self._datagrams is not None and not policy.is_permissive:
            self._datagrams.close()

    def call(self, client: socket.socket, guest_port: int) -> None:
        """Connect a client of the host's with a port of the guest's; the socket is then ours.

        A guest that has sent nothing yet is asked where it is, and a few clients wait for that.
        """
        if self._connections is not None:
            self._connections.call(client, guest_port)
        elif len(self._early) < _MAX_EARLY:
            self._early.append((client, guest_port))
            self._answer(arp_request())
        else:
            client.close()

    async def run(self) -> None:
        """Serve until QEMU closes the socket or breaks the protocol."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._nameserver = NameServer(
                    self._names, self._host.dialer, self._host.service_names, group
                )
                group.create_task(self._tick())
                self._loop.add_reader(self._link, self._on_readable)
                await self._ended.wait()
                _end_group()
        except* _EndedError:
            pass
        finally:
            self._stop()

    def _stop(self) -> None:
        self._loop.remove_reader(self._link)
        self._wire.close()
        for client, _ in self._early:
            client.close()
        if self._connections is not None:
            self._connections.close()
        if self._datagrams is not None:
            self._datagrams.close()
        self._host.log.flush()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            if self._early:
                # The first may have come before there was a kernel.
                self._answer(arp_request())
            if self._connections is not None:
                self._connections.tick()
            if self._datagrams is not None:
                self._datagrams.tick()
            self._host.log.tick()

    def _on_readable(self) -> None:
        try:
            if not self._reader.receive(self._link):
                self._ended.set()
                return
            for frame in self._reader.frames():
                self._take(frame)
        except BlockingIOError:
            return
        except OSError:
            self._ended.set()
        except LinkViolationError:
            event = EgressEvent(kind=EgressEventKind.LINK_VIOLATION)
            self._host.log.repeated(event)
            self._ended.set()
        self._wire.flush()

    def _take(self, data: memoryview) -> None:
        frame = parse_frame(data)
        if frame is None or not self._is_guest(frame.source_mac):
            return
        if frame.ethertype == ETHERTYPE_IPV4:
            self._take_packet(frame)
        elif frame.ethertype == ETHERTYPE_ARP:
            self._answer(arp_reply(frame.source_mac, frame.body))

    def _is_guest(self, mac: bytes) -> bool:
        if self._guest_mac is None and not mac[0] & _GROUP_BIT:
            self._guest_mac = mac
            self._begin(mac)
        return mac == self._guest_mac

    def _begin(self, mac: bytes) -> None:
        if self._group is not None:
            guest = GuestSide(wire=self._wire, mac=mac, names=self._names, group=self._group)
            self._connections = Connections(guest, self._host, self._policy)
            self._datagrams = DatagramFlows(guest, self._host, self._send_packet)
            early, self._early = self._early, []
            for client, guest_port in early:
                self._connections.call(client, guest_port)

    def _take_packet(self, frame: Frame) -> None:
        packet = parse_packet(frame.body)
        if packet is None or packet.source != GUEST:
            return
        if packet.protocol == PROTOCOL_TCP:
            segment = parse_segment(packet.body)
            if segment is not None and self._connections is not None:
                self._connections.receive(packet.destination, segment)
        elif packet.protocol == PROTOCOL_UDP:
            self._take_datagram(frame, packet)
        else:
            self._take_other(frame, packet)

    def _take_datagram(self, frame: Frame, packet: Packet) -> None:
        datagram = parse_datagram(packet.body)
        if datagram is None or self._nameserver is None:
            return
        port, guest_port = datagram.destination_port, datagram.source_port
        if packet.destination == GATEWAY and port == _DNS_PORT:
            self._nameserver.ask(
                bytes(datagram.payload),
                self._policy,
                lambda answer: self._send_datagram(guest_port, answer),
            )
        elif self._datagrams is not None and self._may_pass(packet, port):
            self._datagrams.take(packet.destination, datagram, self._policy)
        elif port not in _QUIET_PORTS:
            self._prohibit(frame, packet)
            self._host.log.repeated(
                EgressEvent(
                    kind=EgressEventKind.BLOCKED,
                    host=self._names.name(packet.destination),
                    address=address_text(packet.destination),
                    port=port,
                    transport=Transport.UDP,
                    reason=BlockReason.UDP_NOT_ALLOWED,
                )
            )

    def _may_pass(self, packet: Packet, port: int) -> bool:
        """In permissive alone, and never to another name server: its names would be unknown."""
        if not self._policy.is_permissive or port == _DNS_PORT:
            return False
        if self._names.name(packet.destination) is not None:
            return True
        return may_dial(address_text(packet.destination), allow_private=False)

    def _take_other(self, frame: Frame, packet: Packet) -> None:
        is_ping = packet.protocol == PROTOCOL_ICMP and packet.destination == GATEWAY
        if not is_ping:
            self._prohibit(frame, packet)
        elif (reply := echo_reply(packet.body)) and self._control.take(self._loop.time()):
            self._send_packet(GATEWAY, PROTOCOL_ICMP, reply)

    def _prohibit(self, frame: Frame, packet: Packet) -> None:
        # Never about ICMP itself: two stacks would answer each other for ever (RFC 1122, 3.2.2).
        if packet.protocol != PROTOCOL_ICMP and self._control.take(self._loop.time()):
            self._send_packet(GATEWAY, PROTOCOL_ICMP, prohibited(frame.body))

    def _send_datagram(self, guest_port: int, answer: bytes) -> None:
        datagram = build_datagram(_DNS_PORT, guest_port, answer)
        self._send_packet(GATEWAY, PROTOCOL_UDP, datagram)

    def _send_packet(self, source: bytes, protocol: int, body: bytes) -> None:
        if self._guest_mac is not None:
            packet = build_packet(source, protocol, body)
            self._answer(build_frame(self._guest_mac, ETHERTYPE_IPV4, packet))

    def _answer(self, frame: bytes | None) -> None:
        if frame is not None:
            self._wire.send(frame)
