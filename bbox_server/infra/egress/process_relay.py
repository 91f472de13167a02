# SPDX-License-Identifier: Apache-2.0
"""The relay as a process of its own, seen from the session host."""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.egress.event import EgressEvent
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import NetworkRelay, RelayEnd, RelaySpec, RunningRelay
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.portforward import PortForward
from bbox_server.infra.egress.report import LineError, Notice, decode_line
from bbox_server.infra.egress.settings import (
    Word,
    encode_attendance,
    encode_settings,
    encode_update,
    encode_word,
)
from bbox_server.infra.process.child import Child, spawn
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.descriptors import Lines
from bbox_server.infra.process.printable import printable
from bbox_server.infra.process.programs import PLAIN_ENVIRONMENT
from bbox_server.infra.process.sandbox_user import SandboxUser

START_S: Final = 30.0
"""Python and its imports take 0.3 s, several seconds beside a booting emulated VM."""

_UPDATE_S: Final = 5.0
_MAX_NOTICES: Final = 16
# Never another one: what the guest serves is this machine's alone.
_LOOPBACK: Final = "127.0.0.1"
_ANOTHER_PORT: Final = 18080

# One arena a thread of the resolver's would count against the relay's memory.
_ENVIRONMENT: Final = {**PLAIN_ENVIRONMENT, "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRelay(NetworkRelay):
    """Starts `relay` for each guest.

    Attributes:
        user: Whom a process of root's becomes before it talks to a guest; owns the socket.
    """

    user: SandboxUser

    @override
    @asynccontextmanager
    async def start(
        self, spec: RelaySpec, observe: Callable[[EgressEvent], None]
    ) -> AsyncIterator[RunningRelay]:
        async with AsyncExitStack() as stack:
            # A host process that was killed leaves its socket behind.
            _remove(spec.socket)
            stack.callback(_remove, spec.socket)
            ports = stack.enter_context(ExitStack())
            listening = tuple(_listen(forward, ports) for forward in spec.forwards)
            control, stdin = socket.socketpair()
            stack.enter_context(control)
            control.settimeout(0)
            reading, stdout = os.pipe2(os.O_CLOEXEC)
            told = _Told(reading, observe)
            stack.callback(told.close)
            try:
                command = _command(stdin.fileno(), stdout, listening)
                child = await stack.enter_async_context(spawn(command))
            finally:
                stdin.close()
                os.close(stdout)
                # The relay's alone: when it is dead, nobody waits for an answer.
                ports.close()
            running = RelayProcess(child, control, told)
            user = (self.user.uid, self.user.gid) if os.geteuid() == 0 else None
            await running.begin(encode_settings(spec, user, listening))
            yield running


class RelayProcess(RunningRelay):
    """A relay that listens, as a process of its own."""

    def __init__(self, child: Child, control: socket.socket, told: "_Told") -> None:
        self._child = child
        self._control = control
        self._told = told
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int:
        """Of the relay's process."""
        return self._child.pid

    async def begin(self, settings: bytes) -> None:
        """Hand over the settings; the socket listens on return. Raises: egress.relay-failed."""
        await self._say(settings, "ready", START_S)

    @override
    async def update(self, policy: EgressPolicy) -> None:
        await self._say(encode_update(policy), "updated", _UPDATE_S)

    @override
    async def let_ask(self, *, can_ask: bool) -> None:
        await self._say(encode_attendance(can_ask=can_ask), "updated", _UPDATE_S)

    @override
    async def allow_once(self, question: Question) -> None:
        word = Word(question=question, is_allowed=True)
        await self._say(encode_word(word), "updated", _UPDATE_S)

    @override
    async def deny(self, question: Question) -> None:
        word = Word(question=question, is_allowed=False)
        await self._say(encode_word(word), "updated", _UPDATE_S)

    @override
    async def wait(self) -> RelayEnd:
        code = await self._child.wait()
        return RelayEnd(cause=f"The relay ended with {code}; {self._last_words()}")

    async def _say(self, line: bytes, expected: str, deadline_s: float) -> None:
        async with self._turn:
            try:
                async with asyncio.timeout(deadline_s):
                    await asyncio.get_running_loop().sock_sendall(self._control, line)
                    notice = await self._told.notice()
            except TimeoutError as error:
                raise _failed(f"it did not answer within {deadline_s:g} s.") from error
            except OSError as error:
                raise _failed(self._last_words()) from error
        if notice is None or notice.kind != expected:
            await self._child.wait()
            raise _failed(notice.cause if notice and notice.cause else self._last_words())

    def _last_words(self) -> str:
        lines = self._child.errors.content().strip().splitlines()
        return f"its last words: {printable(lines[-1])}" if lines else "it said nothing."


class _Told:
    """What the relay says: events go on at once, answers wait for whoever asked."""

    def __init__(self, fd: int, observe: Callable[[EgressEvent], None]) -> None:
        self._observe = observe
        self._notices: deque[Notice] = deque(maxlen=_MAX_NOTICES)
        self._has_ended = False
        self._changed = asyncio.Event()
        self._lines = Lines(fd, self._on_line, on_end=self._on_end)

    async def notice(self) -> Notice | None:
        """The next answer; None when the relay is gone."""
        while not self._notices:
            if self._has_ended:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._notices.popleft()

    def close(self) -> None:
        self._lines.close()

    def _on_line(self, line: bytes) -> None:
        try:
            told = decode_line(line)
        except LineError:
            # The relay parses what a hostile guest writes: its own words are input too.
            return
        if isinstance(told, Notice):
            self._notices.append(told)
            self._changed.set()
        else:
            self._observe(told)

    def _on_end(self) -> None:
        self._has_ended = True
        self._changed.set()


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _listen(forward: PortForward, stack: ExitStack) -> int:
    """A descriptor that listens, until the stack ends. Raises: egress.port-taken."""
    listener = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_LOOPBACK, forward.host_port))
    except OSError as error:
        raise BboxError(
            ErrorCode.EGRESS_PORT_TAKEN,
            cause=f"Port {forward.host_port} of {_LOOPBACK} can't be had: {error.strerror}.",
            remediation="Choose another one, for instance --port "
            f"{_ANOTHER_PORT}:{forward.guest_port}.",
        ) from error
    listener.listen()
    return listener.fileno()


def _command(stdin: int, stdout: int, listening: tuple[int, ...]) -> Command:
    return Command(
        # Isolated: neither the current directory nor PYTHON* variables choose what is imported.
        argv=(sys.executable, "-I", "-m", "bbox_server.infra.egress.relay"),
        env=_ENVIRONMENT,
        stdin=stdin,
        stdout=stdout,
        pass_fds=listening,
    )


def _failed(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.EGRESS_RELAY_FAILED,
        cause=f"The process that is the guest's network failed: {cause}",
        remediation="Start the session again; `bbox logs` shows what it did before.",
    )
