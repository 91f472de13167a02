# SPDX-License-Identifier: Apache-2.0
"""A guest in the test: ARP, DNS and TCP over the relay's socket, in raw frames."""

import asyncio
import itertools
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

GUEST_MAC: Final = bytes.fromhex("525400123456")
GATEWAY: Final = socket.inet_aton("192.168.127.1")
GUEST: Final = socket.inet_aton("192.168.127.2")

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
_TCP = struct.Struct("!HHIIBBHHH")
_WINDOW: Final = 4 << 20
_SHIFT: Final = 7
_MASK: Final = 0xFFFFFFFF


def word_sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    words: tuple[int, ...] = struct.unpack(f"!{len(data) // 2}H", data)
    return sum(words) % 0xFFFF


def is_checksummed(packet: bytes) -> bool:
    """Whether the checksums of a packet from the relay are right."""
    header_ok = word_sum(packet[:20]) == 0
    if packet[9] != 6:
        return header_ok
    body = packet[20:]
    pseudo = packet[12:20] + struct.pack("!HH", 6, len(body))
    return header_ok and (word_sum(pseudo) + word_sum(body)) % 0xFFFF == 0


def ethernet(body: bytes, ethertype: int = 0x0800, source: bytes = GUEST_MAC) -> bytes:
    return b"\xff" * 6 + source + struct.pack("!H", ethertype) + body


def ipv4(  # noqa: PLR0913 - the fields of a header
    destination: bytes,
    protocol: int,
    body: bytes,
    *,
    source: bytes = GUEST,
    fragment: int = 0x4000,
    options: bytes = b"",
) -> bytes:
    head = 0x45 + len(options) // 4
    length = 20 + len(options) + len(body)
    fields = (head, 0, length, 7, fragment, 64, protocol, 0, source, destination)
    return struct.pack("!BBHHHBBH4s4s", *fields) + options + body


def tcp(  # noqa: PLR0913 - the fields of a header
    ports: tuple[int, int],
    numbers: tuple[int, int],
    flags: int,
    *,
    payload: bytes = b"",
    options: bytes = b"",
    window: int = 0xFFFF,
) -> bytes:
    offset = (5 + len(options) // 4) << 4
    sequence, acknowledgement = (number & _MASK for number in numbers)
    head = _TCP.pack(*ports, sequence, acknowledgement, offset, flags, window, 0, 0)
    return head + options + payload


def udp(ports: tuple[int, int], payload: bytes) -> bytes:
    return struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload


def question(name: str, kind: int = 1, identifier: int = 0x1234) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    head = struct.pack("!6H", identifier, 0x100, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, 1)


def syn_options(mss: int) -> bytes:
    return struct.pack("!BBHBBBB", 2, 4, mss, 1, 3, 3, _SHIFT)


class Answer:
    """A DNS answer."""

    def __init__(self, message: bytes) -> None:
        self.id, flags, _, self.count, *_ = struct.unpack_from("!6H", message)
        self.code = flags & 15
        self.address = message[-4:] if self.count else b""


class RefusedError(ConnectionError):
    pass


class Connection:
    """The guest's end of a TCP connection: asks for as little as a kernel does."""

    def __init__(self, guest: "GuestStack", port: int, remote: tuple[bytes, int]) -> None:
        self.guest = guest
        self.port = port
        self.remote = remote
        self.first = 1000
        self.next = 1000
        self.acknowledged = 1000
        self.expected = 0
        self.window = 0
        self.received = bytearray()
        self.flags: list[int] = []
        self.is_open = self.is_reset = self.is_finished = False
        self.advertised = _WINDOW
        self.is_mute = False
        self.changed = asyncio.Event()

    def emit(self, flags: int, payload: bytes = b"", options: bytes = b"") -> None:
        numbers = (self.next, self.expected)
        window = 0xFFFF if flags & SYN else min(0xFFFF, self.advertised >> _SHIFT)
        ports = (self.port, self.remote[1])
        body = tcp(ports, numbers, flags, payload=payload, options=options, window=window)
        self.guest.send(ethernet(ipv4(self.remote[0], 6, body)))
        self.next += len(payload) + bool(flags & SYN) + bool(flags & FIN)

    def answer(self, call: bytes) -> None:
        """Accept a call of the host's."""
        _, _, sequence, _, _, _, self.window, *_ = _TCP.unpack_from(call)
        self.expected = (sequence + 1) & _MASK
        self.emit(SYN | ACK, options=syn_options(self.guest.mss))

    def take(self, body: bytes) -> None:
        if self.is_mute:
            self.guest.muted_bytes += len(body)
            return
        _, _, sequence, acknowledgement, offset, flags, window, *_ = _TCP.unpack_from(body)
        payload = body[(offset >> 4) * 4 :]
        self.flags.append(flags)
        if flags & RST:
            self.is_reset = True
        elif flags & SYN:
            self.expected, self.window, self.is_open = (sequence + 1) & _MASK, window, True
            self.acknowledged = acknowledgement
            self.emit(ACK)
        else:
            self.is_open = True
            self.window = window << _SHIFT
            self.acknowledged = max(self.acknowledged, acknowledgement)
            if (payload or flags & FIN) and sequence == self.expected:
                self.received += payload
                self.is_finished = bool(flags & FIN)
                self.expected = (self.expected + len(payload) + self.is_finished) & _MASK
                self.emit(ACK)
        self.changed.set()

    @property
    def room(self) -> int:
        """How much more the relay's window takes."""
        return self.window - (self.next - self.acknowledged)

    @property
    def is_held_back(self) -> bool:
        return self.room < self.guest.mss

    async def next_change(self) -> None:
        if self.is_reset:
            raise RefusedError
        self.changed.clear()
        await self.changed.wait()

    async def until(self, condition: str) -> None:
        while not getattr(self, condition):
            await self.next_change()

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), self.guest.mss):
            piece = data[start : start + self.guest.mss]
            while self.room < len(piece):
                await self.next_change()
            self.emit(ACK | PSH, piece)
            await self.guest.flushed()

    async def receive(self, count: int) -> bytes:
        while len(self.received) < count and not self.is_finished:
            await self.next_change()
        data = bytes(self.received[:count])
        del self.received[:count]
        return data

    async def rest(self) -> bytes:
        await self.until("is_finished")
        return await self.receive(len(self.received))

    def finish(self) -> None:
        self.emit(FIN | ACK)

    def reset(self) -> None:
        self.emit(RST | ACK)


class GuestStack:
    """Frames to and from a relay; whatever isn't TCP or DNS lands in `others`."""

    def __init__(self, link: socket.socket, mss: int = 65_480) -> None:
        link.settimeout(0)
        self._link = link
        self._out: deque[bytes] = deque()
        self._buffer = bytearray()
        self._ports = itertools.count(20_000)
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self.mss = mss
        self.listening: set[int] = set()
        self.accepted: list[Connection] = []
        self.connections: dict[tuple[int, bytes, int], Connection] = {}
        self.answers: dict[int, Answer] = {}
        self.others: list[bytes] = []
        self.datagrams: list[bytes] = []
        self.bad_checksums = 0
        self.muted_bytes = 0
        self.is_gone = False

    def send(self, frame: bytes) -> None:
        self._out.append(len(frame).to_bytes(4, "big") + frame)

    def send_raw(self, data: bytes) -> None:
        self._out.append(data)

    async def flushed(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._turn:
            while self._out:
                await loop.sock_sendall(self._link, self._out.popleft())

    async def pump(self) -> None:
        """Take frames until the relay hangs up."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                data = await loop.sock_recv(self._link, 1 << 20)
            except ConnectionError:
                data = b""
            if not data:
                self.is_gone = True
                self._changed.set()
                for connection in self.connections.values():
                    connection.is_reset = True
                    connection.changed.set()
                return
            self._buffer += data
            self._take_frames()
            self._changed.set()
            await self.flushed()

    def _take_frames(self) -> None:
        while len(self._buffer) >= 4:
            end = 4 + int.from_bytes(self._buffer[:4], "big")
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[4:end])
            del self._buffer[:end]
            self._take(frame)

    def _take(self, frame: bytes) -> None:
        packet = frame[14:]
        if frame[12:14] != b"\x08\x00":
            self.others.append(frame)
            return
        self.bad_checksums += not is_checksummed(packet)
        body = packet[20:]
        remote_port, port = struct.unpack_from("!HH", body)
        connection = self.connections.get((port, packet[12:16], remote_port))
        if packet[9] == 6 and connection is not None:
            connection.take(body)
        elif packet[9] == 6 and port in self.listening and body[13] == SYN:
            caller = Connection(self, port, (packet[12:16], remote_port))
            self.connections[port, packet[12:16], remote_port] = caller
            self.accepted.append(caller)
            caller.answer(body)
        elif packet[9] == 17 and remote_port != 53:
            self.datagrams.append(body[8:])
        elif packet[9] == 17:
            answer = Answer(body[8:])
            self.answers[answer.id] = answer
        else:
            self.others.append(frame)

    async def changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def resolve(self, name: str, kind: int = 1) -> Answer:
        identifier = next(self._ports)
        self.send(ethernet(ipv4(GATEWAY, 17, udp((5353, 53), question(name, kind, identifier)))))
        await self.flushed()
        while identifier not in self.answers:
            await self.changed()
        return self.answers.pop(identifier)

    def open(self, address: bytes, port: int) -> Connection:
        """Send a SYN, and nothing more until something comes back."""
        connection = Connection(self, next(self._ports), (address, port))
        self.connections[connection.port, address, port] = connection
        connection.emit(SYN, options=syn_options(self.mss))
        return connection

    async def accept(self, port: int) -> Connection:
        """The next call of the host's to a port."""
        self.listening.add(port)
        while not self.accepted:
            await self.changed()
        connection = self.accepted.pop()
        await connection.until("is_open")
        return connection

    async def connect(self, address: bytes, port: int) -> Connection:
        connection = self.open(address, port)
        await self.flushed()
        await connection.until("is_open")
        return connection

    async def connect_name(self, name: str, port: int) -> Connection:
        return await self.connect((await self.resolve(name)).address, port)


@asynccontextmanager
async def guest_on(link: socket.socket, mss: int = 65_480) -> AsyncIterator[GuestStack]:
    guest = GuestStack(link, mss)
    async with asyncio.TaskGroup() as group:
        pumping = group.create_task(guest.pump())
        try:
            yield guest
        finally:
            pumping.cancel()
            link.close()


@asynccontextmanager
async def guest_at(path: str, mss: int = 65_480) -> AsyncIterator[GuestStack]:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    await asyncio.get_running_loop().sock_connect(link, path)
    async with guest_on(link, mss) as guest:
        yield guest
