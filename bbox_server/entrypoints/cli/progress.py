# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error, in the form that the user wants (compat CLI-34, IOB-02 to 05)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from bbox_server.domain.escape import escape_text
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.entrypoints.cli.console import Console


class ProgressMode(StrEnum):
    """The forms."""

    SPINNER = "spinner"
    SIMPLE = "simple"
    LOG = "log"
    JSON = "json"
    NONE = "none"


class Step(StrEnum):
    """What can happen; the values are those of the `progress` event."""

    STARTED = "started"
    ADVANCED = "advanced"
    FINISHED = "finished"
    FAILED = "failed"
    NOTED = "noted"
    WARNED = "warned"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressStep:
    """One thing to show; `message` is escaped, `took_s` is there at the end of a phase."""

    step: Step
    message: str
    phase: Phase | None = None
    took_s: float | None = None


Show = Callable[[ProgressStep], None]


class ProgressView(ProgressObserver):
    """Hands on what happens, and keeps warnings back while the screen is the agent's."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._started: dict[Phase, float] = {}
        self._held: list[ProgressStep] = []

    @override
    def started(self, phase: Phase, message: str) -> None:
        self._tell(Step.STARTED, message, phase)
        self._started[phase] = time.monotonic()

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        self._tell(Step.ADVANCED, message, phase)

    @override
    def finished(self, phase: Phase, message: str) -> None:
        self._end(Step.FINISHED, message, phase)

    @override
    def failed(self, phase: Phase, message: str) -> None:
        self._end(Step.FAILED, message, phase)

    @override
    def noted(self, message: str) -> None:
        self._tell(Step.NOTED, message)

    @override
    def warned(self, message: str) -> None:
        self._tell(Step.WARNED, message)

    def _end(self, step: Step, message: str, phase: Phase) -> None:
        now = time.monotonic()
        took_s = now - self._started.pop(phase, now)
        self._tell(step, message, phase, took_s)
        if Phase.TERMINAL not in self._started:
            held, self._held = self._held, []
            for each in held:
                self._show(each)

    def _tell(
        self, step: Step, message: str, phase: Phase | None = None, took_s: float | None = None
    ) -> None:
        told = ProgressStep(step=step, message=escape_text(message), phase=phase, took_s=took_s)
        if Phase.TERMINAL not in self._started:
            self._show(told)
        elif step is Step.WARNED:
            self._held.append(told)


@contextmanager
def progress_view(mode: str | None, console: Console) -> Iterator[ProgressObserver]:
    """The view for a command; None is a spinner on a terminal, and plain lines elsewhere."""
    from bbox_server.entrypoints.cli import progress_lines
    from bbox_server.entrypoints.cli.spinner import Spinner

    default = ProgressMode.SPINNER if console.error.isatty() else ProgressMode.SIMPLE
    match ProgressMode(mode) if mode else default:
        case ProgressMode.SPINNER:
            with Spinner(stream=console.error, style=console.style) as spinner:
                yield ProgressView(spinner.show)
        case ProgressMode.SIMPLE:
            yield ProgressView(progress_lines.printer(progress_lines.simple, console.error))
        case ProgressMode.LOG:
            yield ProgressView(progress_lines.printer(progress_lines.log, console.error))
        case ProgressMode.JSON:
            yield ProgressView(progress_lines.printer(progress_lines.as_json, console.error))
        case ProgressMode.NONE:
            yield ProgressView(progress_lines.printer(progress_lines.warnings, console.error))
