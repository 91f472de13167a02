# SPDX-License-Identifier: Apache-2.0
"""Progress of a run as events."""

from collections.abc import Callable
from dataclasses import dataclass

from typing_extensions import override

from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import EventKind, SessionObserver


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvents(ProgressObserver):
    """Writes progress into the session's events."""

    observer: Callable[[], SessionObserver]

    @override
    def started(self, phase: Phase, message: str) -> None:
        self._tell("started", phase.value, message)

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        self._tell("advanced", phase.value, message)

    @override
    def finished(self, phase: Phase, message: str) -> None:
        self._tell("finished", phase.value, message)

    @override
    def failed(self, phase: Phase, message: str) -> None:
        self._tell("failed", phase.value, message)

    @override
    def noted(self, message: str) -> None:
        self._tell("noted", None, message)

    @override
    def warned(self, message: str) -> None:
        self._tell("warned", None, message)

    def _tell(self, step: str, phase: str | None, message: str) -> None:
        fields = {"step": step, "phase": phase, "message": message}
        self.observer().event(EventKind.PROGRESS, fields)
