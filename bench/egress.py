# SPDX-License-Identifier: Apache-2.0
"""The relay alone beside a direct loopback connection, in the same run.

`python -m bench.egress [SECONDS]`: throughput both ways, connections a second, added latency.
The guest is this process: it writes TCP in frames, without checksums, which the relay ignores.
"""

import asyncio
import multiprocessing
import os
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import HostOverride, RelaySpec
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.egress.process_relay import ProcessRelay
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user

NAME: Final = "bench.test"
MSS: Final = 65_480
WINDOW: Final = 4 << 20
GUEST_MAC: Final = bytes.fromhex("525400123456")
GUEST: Final = socket.inet_aton("192.168.127.2")
GATEWAY: Final = socket.inet_aton("192.168.127.1")
FULL: Final = struct.Struct("!I6s6sHBBHHHBBH4s4sHHIIBBHHH")
LENGTH_BYTES: Final = 4
ANSWER_BYTES: Final = LENGTH_BYTES + 14 + 20 + 8 + 12
"""The headers before the records of a DNS answer: it comes in one frame."""
SYN, RST, ACK = 2, 4, 16
# The goals; the machine, and what else it does, are in docs/benchmarks.md.
GBITS: Final = 1.0
CONNECTS: Final = 500.0
ADDED_MS: Final = 1.0


def serve(listener: socket.socket, role: str) -> None:
    """Sink, source or echo; one connection after the other."""
    block = bytes(1 << 20)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                if role == "source":
                    while True:
                        connection.sendall(block)
                while data := connection.recv(1 << 20):
                    if role == "echo":
                        connection.sendall(data)
            except ConnectionError:
                continue


@contextmanager
def servers() -> Iterator[dict[str, int]]:
    ports, children = {}, []
    for role in ("sink", "source", "echo"):
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        ports[role] = listener.getsockname()[1]
        child = multiprocessing.get_context("fork").Process(target=serve, args=(listener, role))
        child.start()
        listener.close()
        children.append(child)
    try:
        yield ports
    finally:
        for child in children:
            child.terminate()
            child.join()


class Guest:
    """Frames by hand, as few instructions as possible."""

    def __init__(self, path: str) -> None:
        self.link = socket.socket(socket.AF_UNIX)
        self.link.connect(path)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            self.link.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        self.buffer = bytearray()
        self.port = 20_000
        self.address = self.resolve()

    def resolve(self) -> bytes:
        labels = b"".join(bytes([len(word)]) + word.encode() for word in NAME.split("."))
        message = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
        datagram = struct.pack("!HHHH", 9, 53, 8 + len(message), 0) + message
        head = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, GUEST, GATEWAY
        )
        frame = b"\xff" * 6 + GUEST_MAC + b"\x08\0" + head + datagram
        self.link.sendall(len(frame).to_bytes(4, "big") + frame)
        while len(self.buffer) < ANSWER_BYTES:
            self.buffer += self.link.recv(4096)
        answer = bytes(self.buffer[-4:])
        self.buffer.clear()
        return answer

    def header(self, port: int, numbers: tuple[int, int], flags: int, size: int = 0) -> bytes:
        options = 8 if flags & SYN else 0
        length = 40 + options + size
        return FULL.pack(
            *(14 + length, b"\xff" * 6, GUEST_MAC, 0x800, 0x45, 0, length, 0, 0x4000, 64, 6, 0),
            *(GUEST, self.address, self.port, port),
            *(numbers[0] & 0xFFFFFFFF, numbers[1] & 0xFFFFFFFF),
            *((5 + options // 4) << 4, flags, min(0xFFFF, WINDOW >> 7), 0, 0),
        )

    def segments(self, *, wait: bool = True) -> list[tuple[int, int, int, int, int]]:
        """Sequence, acknowledgement, flags, payload bytes and window of what came."""
        try:
            self.buffer += self.link.recv(1 << 20, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return []
        found, at = [], 0
        while len(self.buffer) - at >= LENGTH_BYTES:
            length = int.from_bytes(self.buffer[at : at + 4], "big")
            if len(self.buffer) - at - 4 < length:
                break
            sequence, acknowledgement, offset, flags, window = struct.unpack_from(
                "!IIBBH", self.buffer, at + 42
            )
            size = int.from_bytes(self.buffer[at + 20 : at + 22], "big") - 20 - (offset >> 4) * 4
            found.append((sequence, acknowledgement, flags, size, window))
            at += 4 + length
        del self.buffer[:at]
        return found

    def connect(self, port: int) -> int:
        """Open a connection; the number expected next."""
        self.port += 1
        options = struct.pack("!BBHBBBB", 2, 4, MSS, 1, 3, 3, 7)
        self.link.sendall(self.header(port, (1000, 0), SYN) + options)
        while True:
            for sequence, _, flags, _, _ in self.segments():
                if flags & RST:
                    raise ConnectionRefusedError
                if flags & SYN:
                    self.link.sendall(self.header(port, (1001, sequence + 1), ACK))
                    return sequence + 1

    def reset(self, port: int, numbers: tuple[int, int]) -> None:
        self.link.sendall(self.header(port, numbers, RST | ACK))

    def upload(self, port: int, seconds: float) -> float:
        """Bits a second."""
        expected = self.connect(port)
        payload, sequence, acknowledged, window = bytes(MSS), 1001, 1001, 0xFFFF
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            count = min(16, (window - (sequence - acknowledged)) // MSS)
            pieces = []
            for _ in range(count):
                pieces += [self.header(port, (sequence, expected), ACK, MSS), payload]
                sequence += MSS
            if pieces:
                self.link.sendall(b"".join(pieces))
            for _, number, _, _, offered in self.segments(wait=count <= 0):
                acknowledged += (number - acknowledged) & 0xFFFFFFFF
                window = offered << 7
        rate = (acknowledged - 1001) * 8 / (time.perf_counter() - began)
        self.reset(port, (sequence, expected))
        return rate

    def download(self, port: int, seconds: float) -> float:
        """Bits a second."""
        expected = self.connect(port)
        total, began = 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            for sequence, _, _, size, _ in self.segments():
                if size > 0:
                    expected, total = sequence + size, total + size
            self.link.sendall(self.header(port, (1001, expected), ACK))
        rate = total * 8 / (time.perf_counter() - began)
        self.reset(port, (1001, expected))
        self.drain()
        return rate

    def drain(self) -> None:
        """Forget what is still on its way."""
        time.sleep(0.2)
        while self.segments(wait=False):
            pass

    def round_trips(self, port: int, count: int) -> list[float]:
        expected, sequence = self.connect(port), 1001
        times = []
        for _ in range(count):
            began = time.perf_counter()
            self.link.sendall(self.header(port, (sequence, expected), ACK, 64) + bytes(64))
            sequence += 64
            while not (sizes := [size for *_, size, _ in self.segments() if size > 0]):
                pass
            times.append(time.perf_counter() - began)
            expected += sum(sizes)
        self.reset(port, (sequence, expected))
        return times

    def connects(self, port: int, count: int) -> float:
        """Seconds for one connection; the relay admits 400 at once and 200 a second."""
        began = time.perf_counter()
        for _ in range(count):
            self.reset(port, (1001, self.connect(port)))
        return (time.perf_counter() - began) / count


def direct_upload(port: int, seconds: float) -> float:
    block, total = bytes(MSS), 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            connection.sendall(block)
            total += MSS
    return total * 8 / (time.perf_counter() - began)


def direct_download(port: int, seconds: float) -> float:
    total = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            total += len(connection.recv(1 << 20))
    return total * 8 / (time.perf_counter() - began)


def direct_round_trips(port: int, count: int) -> list[float]:
    times = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(bytes(64))
            connection.recv(64)
            times.append(time.perf_counter() - began)
    return times


def direct_connects(port: int, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        socket.create_connection(("127.0.0.1", port)).close()
    return (time.perf_counter() - began) / count


def measure(path: str, ports: dict[str, int], seconds: float) -> None:
    guest = Guest(path)
    rate("up", lambda: guest.upload(ports["sink"], seconds), direct_upload(ports["sink"], seconds))
    rate(
        "down",
        lambda: guest.download(ports["source"], seconds),
        direct_download(ports["source"], seconds),
    )
    relayed, direct = guest.connects(ports["echo"], 200), direct_connects(ports["echo"], 200)
    print(
        f"connect  relay {1 / relayed:7.0f}/s     direct {1 / direct:7.0f}/s      "
        f"{goal(1 / relayed, CONNECTS, '/s')}",
        flush=True,
    )
    through, beside = (
        guest.round_trips(ports["echo"], 1000),
        direct_round_trips(ports["echo"], 1000),
    )
    added = statistics.median(through) - statistics.median(beside)
    print(
        f"latency  relay {statistics.median(through) * 1e3:7.3f} ms   "
        f"direct {statistics.median(beside) * 1e3:7.3f} ms   added {added * 1e3:.3f} ms (medians) "
        f"goal at most {ADDED_MS:g} ms: {'met' if added * 1e3 <= ADDED_MS else 'missed'}"
    )


def goal(found: float, least: float, unit: str) -> str:
    return f"goal {least:g} {unit}: {'met' if found >= least else 'missed'}"


def rate(label: str, through: Callable[[], float], direct: float) -> None:
    relayed = through()
    print(
        f"{label:8} relay {relayed / 1e9:7.2f} Gbit/s direct {direct / 1e9:7.2f} Gbit/s "
        f"ratio {relayed / direct:.2f} {goal(relayed / 1e9, GBITS, 'Gbit/s')}",
        flush=True,
    )


async def run(directory: Path, ports: dict[str, int], seconds: float) -> None:
    rule = HostRule(name=NAME, ports=tuple(ports.values()), allow_private=True)
    spec = RelaySpec(
        session=SessionId("00000000"),
        socket=HostPath(str(directory / "net")),
        policy=EgressPolicy(profile=EgressProfile.STANDARD, rules=(rule,)),
        overrides=(HostOverride(name=NAME, address="127.0.0.1"),),
    )
    user = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment=os.environ)
    async with ProcessRelay(user=user).start(spec, lambda _: None):
        await asyncio.to_thread(measure, spec.socket, ports, seconds)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.5
    with servers() as ports, tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        asyncio.run(run(Path(directory), ports, seconds))


if __name__ == "__main__":
    main()
