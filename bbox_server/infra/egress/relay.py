# SPDX-License-Identifier: Apache-2.0
"""The relay's process: `python -I -m bbox_server.infra.egress.relay`.

Reads its settings as the first line of standard input, later lines update the policy or answer
questions; the end of standard input is its own end. Tells events on standard output. Nothing
secret is in its argv.
"""

import asyncio
import encodings.idna  # noqa: F401 - getaddrinfo wants it later, as a user who can't read it
import os
import socket
import sys
import time
from pathlib import Path
from typing import Final

from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.infra.egress.confinement import confine
from bbox_server.infra.egress.dial import Dialer
from bbox_server.infra.egress.events import Clocks, EventLog
from bbox_server.infra.egress.link import GuestLink
from bbox_server.infra.egress.link_context import HostSide
from bbox_server.infra.egress.questions import Questions
from bbox_server.infra.egress.report import Notice, Reporter
from bbox_server.infra.egress.resolve import Resolver
from bbox_server.infra.egress.settings import (
    Attendance,
    RelaySettings,
    SettingsError,
    Word,
    decode_order,
    decode_settings,
)

_MAX_LINE: Final = 4 << 20
_SOCKET_MODE: Final = 0o600
_KERNEL_BUFFER: Final = 1 << 20
_STDIN: Final = 0
_STDOUT: Final = 1


class Relay:
    """Serves one guest at a time, for as long as standard input is open."""

    def __init__(
        self, listener: socket.socket, settings: RelaySettings, reporter: Reporter
    ) -> None:
        loop = asyncio.get_running_loop()
        log = EventLog(reporter.event, Clocks(wall=time.time, monotonic=loop.time))
        resolver = Resolver(settings.overrides)
        self._host = HostSide(
            services=settings.services,
            service_names=settings.service_names,
            dialer=Dialer(resolver, settings.proxy),
            log=log,
            questions=Questions(loop.time),
            mtu=settings.mtu,
        )
        self._listener = listener
        self._reporter = reporter
        self._policy = settings.policy
        self._forwards = settings.forwards
        self._link: GuestLink | None = None

    async def serve(self) -> None:
        """Take QEMU's connections, one after the other."""
        loop = asyncio.get_running_loop()
        while True:
            connected, _ = await loop.sock_accept(self._listener)
            with connected:
                for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                    connected.setsockopt(socket.SOL_SOCKET, option, _KERNEL_BUFFER)
                self._link = GuestLink(connected, self._host, self._policy)
                await self._link.run()
                self._link = None

    async def serve_forwards(self) -> None:
        """Take clients of the host's; while no guest is there, they are sent away."""
        async with asyncio.TaskGroup() as group:
            for fd, guest_port in self._forwards.items():
                group.create_task(self._forward(fd, guest_port))

    async def _forward(self, fd: int, guest_port: int) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(fileno=fd) as listener:
            listener.settimeout(0)
            while True:
                client, _ = await loop.sock_accept(listener)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._link is None:
                    client.close()
                else:
                    self._link.call(client, guest_port)

    async def follow(self, lines: asyncio.StreamReader) -> None:
        """Take updates until the session host is gone."""
        while line := await lines.readline():
            self._obey(decode_order(line))
            self._reporter.notice(Notice(kind="updated"))

    def _obey(self, order: EgressPolicy | Attendance | Word) -> None:
        questions = self._host.questions
        match order:
            case EgressPolicy():
                self._policy = order
                if self._link is not None:
                    self._link.update(order)
            case Attendance(can_ask=can_ask):
                questions.let_ask(can_ask=can_ask)
            case Word(question=question, is_allowed=True):
                questions.allow_once(question)
            case Word(question=question):
                questions.deny(question)


def _listen(settings: RelaySettings) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    listener.bind(settings.socket)
    # QEMU may run as another user than the one who binds.
    if settings.user is not None:
        os.chown(settings.socket, *settings.user)
    Path(settings.socket).chmod(_SOCKET_MODE)
    listener.listen(1)
    return listener


async def _standard_input() -> asyncio.StreamReader:
    lines = asyncio.StreamReader(limit=_MAX_LINE)
    loop = asyncio.get_running_loop()
    pipe = os.fdopen(_STDIN, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), pipe)
    return lines


def _fail(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    # A fault in a callback leaves a connection in an unknown state: no network is the safe one.
    loop.default_exception_handler(context)
    sys.stderr.flush()
    os._exit(1)


async def _run(reporter: Reporter) -> None:
    asyncio.get_running_loop().set_exception_handler(_fail)
    lines = await _standard_input()
    settings = decode_settings(await lines.readline())
    listener = _listen(settings)
    confine(settings.user)
    relay = Relay(listener, settings, reporter)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work()) for work in (relay.serve, relay.serve_forwards)]
        reporter.notice(Notice(kind="ready"))
        await relay.follow(lines)
        for task in tasks:
            task.cancel()


def main() -> int:
    """Run until standard input ends."""
    reporter = Reporter(_STDOUT)
    try:
        asyncio.run(_run(reporter))
    except (OSError, SettingsError) as error:
        reporter.notice(Notice(kind="failed", cause=f"{type(error).__name__}: {error}"))
        return 1
    return 0


if __name__ == "__main__":
    # Threads of the resolver may hang in the C library: nothing is worth waiting for them.
    code = main()
    sys.stderr.flush()
    os._exit(code)
