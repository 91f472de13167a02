# SPDX-License-Identifier: Apache-2.0
"""Where the command line talks to a person."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from bbox_server.entrypoints.cli.style import Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Standard streams: results on `out`, everything else on `error`."""

    out: TextIO
    error: TextIO
    input: TextIO
    style: Style

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked."""
        return self.input.isatty() and self.out.isatty()

    def say(self, text: str = "") -> None:
        """A result, or a part of one."""
        self.out.write(f"{text}\n")
        self.out.flush()

    def note(self, text: str) -> None:
        """Something beside the result."""
        self.error.write(f"{text}\n")
        self.error.flush()

    def ask(self, question: str) -> str | None:
        """The answer without its line end; None at the end of the input.

        Raises:
            KeyboardInterrupt: Ctrl-C, which asyncio alone would keep for later.
        """
        self.out.write(question)
        self.out.flush()
        with _interruptible():
            answer = self.input.readline()
        if not answer:
            self.say()
            return None
        return answer.strip()


@contextmanager
def _interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def standard_console(*, colour: bool) -> Console:
    """The process's own streams. Names that are no UTF-8 are shown escaped, and never fail."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    return Console(out=sys.stdout, error=sys.stderr, input=sys.stdin, style=Style(colour=colour))
