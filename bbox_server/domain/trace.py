# SPDX-License-Identifier: Apache-2.0
"""Where a session's time went: spans, read from the progress in its events.

The events are on disk whatever process wrote them, so that the run, a review a week later and a
flush by another process are one trace.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from bbox_server.domain.progress import Phase
from bbox_server.domain.session import EventKind, SessionEvent, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath

TRACE_FILE: Final = "trace.json"
ROOT: Final = "bbox.Run"

PARENTS: Final = {
    Phase.IMAGE: Phase.PREPARE,
    Phase.SNAPSHOT: Phase.PREPARE,
    Phase.MICROVM: Phase.START_VM,
    Phase.BOOT: Phase.MICROVM,
    Phase.SSH_WAIT: Phase.MICROVM,
}
# What a run that is cut short enters; by then none of its phases goes on.
_ENDS: Final = frozenset(
    {SessionState.FAILED.value, SessionState.REVIEWING.value, SessionState.DONE.value}
)
_LATER: Final = frozenset({Phase.REVIEW, Phase.FLUSH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One phase, or the whole. Times are seconds since the epoch.

    Attributes:
        number: Its event's; no other span of the session has it.
        parent: The number of the span that it is a part of; None for the root.
    """

    number: int
    parent: int | None
    name: str
    started: float
    ended: float
    message: str = ""
    failed: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return max(0.0, self.ended - self.started)


class TraceFiles(Protocol):
    """Where traces are written, for programs that show them."""

    def write(self, record: SessionRecord, spans: tuple[Span, ...]) -> HostPath:
        """Replace the session's trace. Raises: disk.full."""
        ...

    def exists(self, record: SessionRecord) -> bool:
        """Whether the session is traced."""
        ...


@dataclass(slots=True)
class _Reading:
    """The spans up to an event."""

    spans: list[Span] = field(default_factory=list)
    open: dict[Phase, Span] = field(default_factory=dict)
    newest: dict[Phase, int] = field(default_factory=dict)
    cause: str = ""

    def take(self, event: SessionEvent) -> None:
        match event.kind:
            case EventKind.PROGRESS:
                self._progress(event)
            case EventKind.WARNING if "code" in event.fields:
                self.cause = str(event.fields.get("cause", ""))
            case EventKind.STATE if event.fields.get("state") in _ENDS:
                self.close_all(event.at, keep=_LATER)
            case _:
                pass

    def close_all(self, at: float, keep: frozenset[Phase] = frozenset()) -> None:
        for phase in [phase for phase in self.open if phase not in keep]:
            self._close(phase, at, self.cause or "it was cut short", failed=True)

    def _progress(self, event: SessionEvent) -> None:
        phase = _phase(event)
        if phase is None:
            return
        message = str(event.fields.get("message", ""))
        match event.fields.get("step"):
            case "started":
                self._begin(phase, event)
            case "finished":
                self._begin_late(phase, event)
                self._close(phase, event.at, message, failed=False)
            case "failed":
                self._begin_late(phase, event)
                self._close(phase, event.at, message, failed=True)
            case _:
                pass

    def _begin(self, phase: Phase, event: SessionEvent) -> None:
        if phase in self.open:
            self._close(phase, event.at, "it began anew", failed=True)
        began = event.fields.get("began")
        started = began if isinstance(began, int | float) else event.at
        parent = self.newest.get(PARENTS[phase], 0) if phase in PARENTS else 0
        self.newest[phase] = event.seq
        self.open[phase] = Span(
            number=event.seq, parent=parent, name=phase.value, started=started, ended=event.at
        )

    def _begin_late(self, phase: Phase, event: SessionEvent) -> None:
        """An end without a beginning tells when that was, or took no time."""
        if phase not in self.open:
            self._begin(phase, event)

    def _close(self, phase: Phase, at: float, message: str, *, failed: bool) -> None:
        span = self.open.pop(phase)
        self.spans.append(replace(span, ended=at, message=message, failed=failed))


def spans_of(events: Iterable[SessionEvent]) -> tuple[Span, ...]:
    """The spans in the order in which they began, the root first; empty without events."""
    reading = _Reading()
    first = last = 0.0
    for event in events:
        first, last = first or event.at, event.at
        reading.take(event)
    if not last:
        return ()
    reading.close_all(last)
    ended = max([last, *(span.ended for span in reading.spans)])
    started = min([first, *(span.started for span in reading.spans)])
    root = Span(
        number=0,
        parent=None,
        name=ROOT,
        started=started,
        ended=ended,
        message=reading.cause,
        failed=bool(reading.cause),
    )
    return (root, *sorted(reading.spans, key=lambda span: (span.started, span.number)))


def timing_lines(spans: tuple[Span, ...]) -> tuple[str, ...]:
    """A line a span, parts indented, as --timings prints it (compat VM-24, P-66)."""
    depths: dict[int, int] = {}
    lines = []
    for span in spans[1:]:
        depths[span.number] = depths.get(span.parent or 0, -1) + 1
        name = f"{'  ' * depths[span.number]}{span.name}"
        lines.append(f"{name:<40} {span.seconds:8.2f} s{'  (failed)' if span.failed else ''}")
    return tuple(lines)


def _phase(event: SessionEvent) -> Phase | None:
    try:
        return Phase(str(event.fields.get("phase")))
    except ValueError:
        return None
