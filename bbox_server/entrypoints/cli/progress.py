# SPDX-License-Identifier: Apache-2.0
"""What there is to show of a run's progress, one step after the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from bbox_server.domain.escape import escape_text
from bbox_server.domain.progress import Phase, ProgressObserver


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
    """One thing to show; `message` is escaped line by line, `took_s` is there when a phase ends."""

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
        escaped = "\n".join(map(escape_text, message.split("\n")))
        told = ProgressStep(step=step, message=escaped, phase=phase, took_s=took_s)
        if Phase.TERMINAL not in self._started:
            self._show(told)
        elif step is Step.WARNED:
            self._held.append(told)
