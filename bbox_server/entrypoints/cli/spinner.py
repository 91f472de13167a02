# SPDX-License-Identifier: Apache-2.0
"""Progress on a terminal: one line a phase, which moves while the phase goes on."""

import contextlib
import os
import threading
from itertools import cycle
from typing import Final, Self, TextIO

from bbox_server.domain.progress import Phase
from bbox_server.entrypoints.cli.progress import ProgressStep, Step
from bbox_server.entrypoints.cli.progress_lines import indented, is_quiet
from bbox_server.entrypoints.cli.style import Style

ERASE_LINE: Final = "\r\x1b[2K"
FRAMES: Final = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
# compat VM-23
FRAME_S: Final = 0.08
DEFAULT_COLUMNS: Final = 80


class Spinner:
    """Draws from a thread of its own: it moves also while the loop is busy."""

    def __init__(self, *, stream: TextIO, style: Style) -> None:
        self._stream = stream
        self._style = style
        self._frames = cycle(FRAMES)
        self._lock = threading.Lock()
        self._moving: dict[Phase | None, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, name="spinner", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._erase()

    def show(self, step: ProgressStep) -> None:
        """Move for a phase that goes on; leave a line for what is over or worth knowing."""
        with self._lock:
            if step.phase is Phase.TERMINAL:
                # From now on the screen is the agent's.
                self._erase()
                self._moving.clear()
            if is_quiet(step):
                return
            if step.step in {Step.STARTED, Step.ADVANCED}:
                self._moving[step.phase] = step.message
            else:
                self._erase()
                self._moving.pop(step.phase, None)
                self._put(f"{indented(self._line(step))}\n")
            self._draw()

    def _line(self, step: ProgressStep) -> str:
        style, message = self._style, step.message
        match step.step:
            case Step.FINISHED:
                took = style.dim(f"{step.took_s or 0:.1f} s")
                return f"{style.green('✓')} {message} {took}"
            case Step.FAILED:
                return f"{style.red('✗')} {message}"
            case Step.WARNED:
                return f"{style.yellow('⚠')} {message}"
            case _:
                return f"{style.cyan('ℹ')} {message}"  # noqa: RUF001 (the sign for information)

    def _turn(self) -> None:
        while not self._ended.wait(FRAME_S):
            with self._lock:
                self._draw()

    def _draw(self) -> None:
        """The phase that was heard of last: image and snapshot go on at the same time."""
        if not self._moving:
            return
        newest = list(self._moving.values())[-1].partition("\n")[0]
        # A line that wraps could not be erased.
        text = newest[: max(1, self._columns() - 3)]
        self._put(f"{ERASE_LINE}{self._style.cyan(next(self._frames))} {text}")

    def _erase(self) -> None:
        if self._moving:
            self._put(ERASE_LINE)

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or DEFAULT_COLUMNS
        except (OSError, ValueError):
            return DEFAULT_COLUMNS

    def _put(self, text: str) -> None:
        # A window that was closed: the run must still be ended in order.
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()
