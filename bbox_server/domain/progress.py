# SPDX-License-Identifier: Apache-2.0
"""Phases of a run, as users see them (architecture.md: spans of --trace, rows of --timings)."""

from enum import StrEnum
from typing import Protocol


class Phase(StrEnum):
    """Names are the spans' names."""

    PREPARE = "bbox.Prepare"
    IMAGE = "bbox.Image"
    SNAPSHOT = "bbox.CreateSnapshot"
    START_VM = "bbox.StartVM"
    MICROVM = "microvm.Run"
    BOOT = "microvm.Boot"
    SSH_WAIT = "microvm.SSHWaitReady"
    TERMINAL = "bbox.Terminal"
    SAVE_LOGIN = "bbox.SaveCredentials"
    STOP = "bbox.Stop"
    DIFF = "bbox.Diff"
    REVIEW = "bbox.Review"
    FLUSH = "bbox.Flush"
    CLEANUP = "bbox.Cleanup"


class ProgressObserver(Protocol):
    """Told where a run is; must not raise and must not block."""

    def started(self, phase: Phase, message: str) -> None:
        """A phase begins."""
        ...

    def advanced(self, phase: Phase, message: str) -> None:
        """A line of detail within a phase."""
        ...

    def finished(self, phase: Phase, message: str) -> None:
        """A phase is over."""
        ...

    def failed(self, phase: Phase, message: str) -> None:
        """A phase ended with an error."""
        ...

    def noted(self, message: str) -> None:
        """Something the user should know about the run; nothing is wrong."""
        ...

    def warned(self, message: str) -> None:
        """Something the user should know; the run goes on."""
        ...
