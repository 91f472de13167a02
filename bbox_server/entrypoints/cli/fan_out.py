# SPDX-License-Identifier: Apache-2.0
"""Progress to several observers."""

from dataclasses import dataclass

from typing_extensions import override

from bbox_server.domain.progress import Phase, ProgressObserver


@dataclass(frozen=True, slots=True, kw_only=True)
class FanOut(ProgressObserver):
    """Tells each observer in turn."""

    observers: tuple[ProgressObserver, ...]

    @override
    def started(self, phase: Phase, message: str) -> None:
        for observer in self.observers:
            observer.started(phase, message)

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        for observer in self.observers:
            observer.advanced(phase, message)

    @override
    def finished(self, phase: Phase, message: str) -> None:
        for observer in self.observers:
            observer.finished(phase, message)

    @override
    def failed(self, phase: Phase, message: str) -> None:
        for observer in self.observers:
            observer.failed(phase, message)

    @override
    def noted(self, message: str) -> None:
        for observer in self.observers:
            observer.noted(message)

    @override
    def warned(self, message: str) -> None:
        for observer in self.observers:
            observer.warned(message)
