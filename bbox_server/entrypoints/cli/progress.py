# SPDX-License-Identifier: Apache-2.0
"""Progress lines on standard error: one a phase, live on a terminal."""

import contextlib
import time
from typing import Final, TextIO

from typing_extensions import override

from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.entrypoints.cli.style import Style

ERASE_LINE: Final = "\r\x1b[2K"
QUIET: Final = frozenset(
    {
        Phase.PREPARE,
        Phase.MICROVM,
        Phase.BOOT,
        Phase.SSH_WAIT,
        Phase.TERMINAL,
        Phase.REVIEW,
        Phase.CLEANUP,
    }
)


class ProgressLines(ProgressObserver):
    """Prints a phase when it starts and how long it took when it is over.

    On a terminal the line is rewritten in place; elsewhere each phase has two plain lines with
    the prefixes of compat VM-23.
    """

    def __init__(self, *, stream: TextIO, style: Style, live: bool) -> None:
        self._stream = stream
        self._style = style
        self._live = live
        self._started: dict[Phase, float] = {}
        self._open_line = False
        self._held: list[str] = []

    @override
    def started(self, phase: Phase, message: str) -> None:
        self._started[phase] = time.monotonic()
        if phase in QUIET:
            return
        if self._live:
            self._rewrite(f"{self._style.cyan('◌')} {message}")
        else:
            self._line(f":: {message}")

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        if phase in QUIET:
            return
        if self._live:
            self._rewrite(f"{self._style.cyan('◌')} {message}")
        else:
            self._line(f"   info: {message}")

    @override
    def finished(self, phase: Phase, message: str) -> None:
        took = time.monotonic() - self._started.pop(phase, time.monotonic())
        if phase is Phase.TERMINAL:
            self._release()
        if phase in QUIET:
            return
        if self._live:
            self._rewrite(f"{self._style.green('✓')} {message} {self._style.dim(f'{took:.1f} s')}")
            self._end_line()
        else:
            self._line(f"   done: {message} ({took:.1f} s)")

    @override
    def failed(self, phase: Phase, message: str) -> None:
        self._started.pop(phase, None)
        self._release()
        if self._live:
            self._rewrite(f"{self._style.red('✗')} {message}")
            self._end_line()
        else:
            self._line(f"   FAILED: {message}")

    @override
    def noted(self, message: str) -> None:
        if self._live:
            self._rewrite(f"{self._style.cyan('ℹ')} {message}")  # noqa: RUF001 (the sign for information)
            self._end_line()
        else:
            self._line(f"   info: {message}")

    @override
    def warned(self, message: str) -> None:
        if Phase.TERMINAL in self._started:
            # The screen is the agent's.
            self._held.append(message)
        elif self._live:
            self._rewrite(f"{self._style.yellow('⚠')} {message}")
            self._end_line()
        else:
            self._line(f"   warn: {message}")

    def _release(self) -> None:
        held, self._held = self._held, []
        for message in held:
            self.warned(message)

    def _rewrite(self, text: str) -> None:
        self._put(f"{ERASE_LINE}{text}")
        self._open_line = True

    def _end_line(self) -> None:
        if self._open_line:
            self._put("\n")
            self._open_line = False

    def _line(self, text: str) -> None:
        self._put(f"{text}\n")

    def _put(self, text: str) -> None:
        # A window that was closed: the run must still be ended in order.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
