# SPDX-License-Identifier: Apache-2.0
"""The guest's serial console: hostile text, kept bounded and harmless."""

import asyncio
import re
from collections import deque
from pathlib import Path
from typing import Final

from bbox_server.infra.process.descriptors import Lines
from bbox_server.infra.process.printable import printable
from bbox_server.infra.qemu.rotated_file import RotatedFile

RING_BYTES: Final = 64 * 1024
FILE_BYTES: Final = 1024 * 1024
TAIL_LINES: Final = 20

_KILLS_KEPT: Final = 100
_MARKS_KEPT: Final = 50
_LINE_BYTES: Final = 1024

# SeaBIOS writes escapes before the first mark on its line (q35).
_MARK: Final = re.compile(r"BBOX ([a-z]{1,20}) [0-9.]{1,20}$")
_FAILURE: Final = re.compile(r"BBOX-FAIL (.{1,300})")
_KILL: Final = re.compile(r"BBOX-OOM [0-9]{1,20} (.{1,100})")
_PANIC: Final = "Kernel panic - not syncing"


class Transcript:
    """What the console said.

    Attributes:
        marks: Steps of the guest's start that were told, as `init` and `ready`.
        failure: What the guest said before it gave up, or empty.
        has_panicked: The kernel said so.
        kills: Names of the processes that were killed for want of memory.
    """

    def __init__(self, log: RotatedFile | None) -> None:
        self.marks: set[str] = set()
        self.failure = ""
        self.has_panicked = False
        self.kills: deque[str] = deque(maxlen=_KILLS_KEPT)
        self._lines: deque[str] = deque()
        self._kept_bytes = 0
        self._log = log

    def add(self, raw: bytes) -> None:
        """Take one line."""
        line = printable(raw.rstrip(b"\r"))
        self._interpret(line)
        self._lines.append(line)
        self._kept_bytes += len(line) + 1
        while self._kept_bytes > RING_BYTES:
            self._kept_bytes -= len(self._lines.popleft()) + 1
        if self._log is not None:
            self._log.write(line.encode("utf-8", "backslashreplace") + b"\n")

    def tail(self, count: int = TAIL_LINES) -> tuple[str, ...]:
        """The last lines; after a panic its first, since a long trace follows them."""
        lines = tuple(self._lines)
        panics = (at for at, line in enumerate(lines) if _PANIC in line)
        start = next(panics, len(lines) - count)
        return lines[max(start, 0) :][:count]

    def close(self) -> None:
        """End the log; harmless twice. Lines that come still are kept in memory only."""
        if self._log is not None:
            self._log.close()

    def _interpret(self, line: str) -> None:
        if mark := _MARK.search(line):
            if len(self.marks) < _MARKS_KEPT:
                self.marks.add(mark[1])
        elif failure := _FAILURE.search(line):
            self.failure = self.failure or failure[1]
        elif kill := _KILL.search(line):
            self.kills.append(kill[1])
        elif _PANIC in line:
            self.has_panicked = True


class Console:
    """Reads the console as it speaks: a reader that stops would stop the guest's processor.

    Attributes:
        said: What it said.
        changed: Set whenever it said something, and by others who want its reader to look.
    """

    def __init__(self, fd: int, log: Path | None) -> None:
        self.said = Transcript(None if log is None else RotatedFile(log, FILE_BYTES))
        self.changed = asyncio.Event()
        self._lines = Lines(fd, self._take, limit_bytes=_LINE_BYTES)

    def close(self) -> None:
        """Take what has been said already, and end the log; harmless twice."""
        self._lines.close()
        self.said.close()

    def _take(self, line: bytes) -> None:
        self.said.add(line)
        self.changed.set()
