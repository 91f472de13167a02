# SPDX-License-Identifier: Apache-2.0
"""The guest's control port: one line a command, one line an answer (guest/README.md)."""

import asyncio
import re
import secrets
import socket
from collections.abc import Callable
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.printable import printable
from bbox_server.infra.qemu.ports import LinePort

_LINE_BYTES: Final = 256
_ANSWER: Final = re.compile(rb"(DONE|FAILED) ([0-9a-f]{16})(?: (.*))?")


class ControlPort:
    """Our end of the port. Commands wait in it from power-on until the guest reads them.

    Attributes:
        has_answered: The guest has done a command, or said why not.
        on_answer: Called when it does.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.has_answered = False
        self.on_answer: Callable[[], None] = lambda: None
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._port = LinePort(connection, self._take, on_end=self._lose, limit_bytes=_LINE_BYTES)

    def send(self, verb: str, nonce: str) -> None:
        """Send a command, for whose answer nobody waits.

        Raises:
            BboxError: guest.lost.
        """
        if not self._port.send(f"\n{verb} {nonce}\n"):
            raise lost_guest("The control port is closed.")

    async def command(self, verb: str) -> None:
        """Send a command and wait until the guest has done it. The caller sets the deadline.

        Raises:
            BboxError: guest.lost, guest.command-failed.
        """
        nonce = new_nonce()
        answer = asyncio.get_running_loop().create_future()
        self._waiting[nonce] = answer
        try:
            self.send(verb, nonce)
            await answer
        finally:
            del self._waiting[nonce]

    def close(self) -> None:
        """Close the port; whoever waits gets guest.lost."""
        self._port.close()

    def _take(self, line: bytes) -> None:
        answer = _ANSWER.fullmatch(line)
        if answer is None:
            return
        self.has_answered = True
        self.on_answer()
        waiter = self._waiting.get(answer[2].decode("ascii"))
        if waiter is None or waiter.done():
            return
        if answer[1] == b"DONE":
            waiter.set_result(None)
            return
        waiter.set_exception(
            BboxError(
                ErrorCode.GUEST_COMMAND_FAILED,
                cause=f"The guest said: {printable(answer[3] or b'no reason')}.",
                remediation="Start a new session.",
            )
        )

    def _lose(self) -> None:
        for waiter in self._waiting.values():
            if not waiter.done():
                waiter.set_exception(lost_guest("The control port was closed."))


def new_nonce() -> str:
    """Tells answers to this command from those to an earlier one."""
    return secrets.token_hex(8)


def lost_guest(cause: str) -> BboxError:
    """The error for a guest that does not answer any more."""
    return BboxError(
        ErrorCode.GUEST_LOST,
        cause=cause,
        remediation="The agent's changes are kept: review them, then start a new session.",
    )
