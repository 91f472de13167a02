# SPDX-License-Identifier: Apache-2.0
"""Which messages are taken now: the order that LSP 3.17 asks for, and bounds on what waits."""

from collections.abc import Callable
from typing import Final

from bbox_server.entrypoints.lsp.envelope import (
    INVALID_REQUEST,
    NOT_INITIALIZED,
    REQUEST_FAILED,
    Envelope,
    RefusedError,
)

IN_FLIGHT_LIMIT: Final = 1024
"""Requests without an answer; more are refused, so that a cancellation is still read."""

IN_FLIGHT_BYTES: Final = 64 << 20
"""Of their messages, all together: two of the largest."""

INITIALIZE: Final = "initialize"
EXIT: Final = "exit"
NOTIFICATIONS: Final = frozenset(
    {
        "$/cancelRequest",
        "$/setTrace",
        "initialized",
        "window/workDoneProgress/cancel",
        "workspace/didChangeWorkspaceFolders",
        "textDocument/didOpen",
        "textDocument/didChange",
        "textDocument/didClose",
    }
)
"""The ones that are heard; the others are dropped, also requests that ask for no answer."""


class Gate:
    """One client's place in the life of a connection, and its requests without an answer."""

    def __init__(self) -> None:
        self.is_initialized = False
        self.is_shut_down = False
        self._waiting: dict[str | int, int] = {}
        self._bytes = 0
        self._after: dict[str | int, Callable[[], None]] = {}

    def admit(self, envelope: Envelope, size: int) -> bool:
        """Whether to take a message; one without an answer is dropped. Raises: RefusedError."""
        if not envelope.is_request:
            is_heard = envelope.method is None or envelope.method in NOTIFICATIONS
            return is_heard and self.is_initialized and not self.is_shut_down
        assert envelope.number is not None  # noqa: S101 (a request has one)
        self._check(envelope)
        self._waiting[envelope.number] = size
        self._bytes += size
        return True

    def answered(self, number: str | int) -> None:
        """A request's answer is on its way."""
        self._bytes -= self._waiting.pop(number, 0)
        act = self._after.pop(number, None)
        if act is not None:
            act()

    def after(self, number: str | int, act: Callable[[], None]) -> None:
        """Do something once a request is answered."""
        self._after[number] = act

    def _check(self, envelope: Envelope) -> None:
        found = self._out_of_order(envelope) or self._too_much(envelope)
        if found is not None:
            code, text = found
            raise RefusedError(code, text, envelope.number)

    def _out_of_order(self, envelope: Envelope) -> tuple[int, str] | None:
        is_first = envelope.method == INITIALIZE
        if self.is_shut_down:
            return INVALID_REQUEST, "the server was shut down: only exit may follow"
        if self.is_initialized and is_first:
            return INVALID_REQUEST, "initialize may be sent once"
        if not self.is_initialized and not is_first:
            return NOT_INITIALIZED, "initialize comes first"
        return None

    def _too_much(self, envelope: Envelope) -> tuple[int, str] | None:
        if envelope.number in self._waiting:
            return INVALID_REQUEST, "a request with this id has no answer yet"
        if len(self._waiting) >= IN_FLIGHT_LIMIT or self._bytes > IN_FLIGHT_BYTES:
            waiting = f"{len(self._waiting)} requests ({self._bytes} bytes)"
            return REQUEST_FAILED, f"{waiting} have no answer yet: wait, or cancel some"
        return None
