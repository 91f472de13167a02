# SPDX-License-Identifier: Apache-2.0
"""A phase that is told in a session's events, whoever works on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from bbox_server.domain.error import BboxError
from bbox_server.domain.progress import Phase
from bbox_server.domain.session import EventKind, EventValue, SessionObserver


@contextmanager
def told_phase(observer: SessionObserver, phase: Phase, message: str) -> Iterator[None]:
    """Tell that a phase begins, and how it ends."""
    _tell(observer, "started", phase, message)
    try:
        yield
    except BaseException as error:
        cause = error.cause if isinstance(error, BboxError) else "it was cut short"
        _tell(observer, "failed", phase, cause)
        raise
    _tell(observer, "finished", phase, message)


def tell_past(observer: SessionObserver, phase: Phase, message: str, began: float) -> None:
    """Tell of a phase that is over and was worth it only then."""
    _tell(observer, "finished", phase, message, began=began)


def _tell(
    observer: SessionObserver, step: str, phase: Phase, message: str, **more: EventValue
) -> None:
    fields = {"step": step, "phase": phase.value, "message": message, **more}
    observer.event(EventKind.PROGRESS, fields)
