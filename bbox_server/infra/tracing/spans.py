# SPDX-License-Identifier: Apache-2.0
"""Phases as OpenTelemetry spans and as a table of timings."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.clock import Clock
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath

SERVICE: Final = "bbox-server"
NANOSECONDS: Final = 1_000_000_000
# OTLP status codes (opentelemetry-proto, trace/v1)
STATUS_OK: Final = 1
STATUS_ERROR: Final = 2
SPAN_KIND_INTERNAL: Final = 1

PARENTS: Final = {
    Phase.IMAGE: Phase.PREPARE,
    Phase.SNAPSHOT: Phase.PREPARE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One phase that is over. Times are seconds since the epoch."""

    phase: Phase
    span_id: str
    started: float
    ended: float
    message: str
    failed: bool

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started


class SpanRecorder(ProgressObserver):
    """Collects the spans of one run."""

    def __init__(self, *, clock: Clock, state: Path) -> None:
        self._clock = clock
        self._sessions = state / "sessions"
        self._open: dict[Phase, tuple[float, str]] = {}
        self.spans: list[Span] = []

    @override
    def started(self, phase: Phase, message: str) -> None:
        self._open[phase] = (self._clock.now(), secrets.token_hex(8))

    @override
    def advanced(self, phase: Phase, message: str) -> None:
        pass

    @override
    def finished(self, phase: Phase, message: str) -> None:
        self._end(phase, message, failed=False)

    @override
    def failed(self, phase: Phase, message: str) -> None:
        self._end(phase, message, failed=True)

    @override
    def noted(self, message: str) -> None:
        pass

    @override
    def warned(self, message: str) -> None:
        pass

    def _end(self, phase: Phase, message: str, *, failed: bool) -> None:
        started, span_id = self._open.pop(phase, (self._clock.now(), secrets.token_hex(8)))
        self.spans.append(
            Span(
                phase=phase,
                span_id=span_id,
                started=started,
                ended=self._clock.now(),
                message=message,
                failed=failed,
            )
        )

    def timings(self) -> tuple[str, ...]:
        """A line a span, as --timings prints it (compat VM-24)."""
        return tuple(
            f"{span.phase.value:<24} {span.seconds:8.2f} s{'  (failed)' if span.failed else ''}"
            for span in self.spans
        )

    def export(self, session: SessionId) -> HostPath:
        """Write the spans as one OTLP/JSON document, which Jaeger and others load."""
        path = self._sessions / session / "trace.json"
        path.write_text(json.dumps(self._document(), indent=1))
        return HostPath(str(path))

    def _document(self) -> dict[str, object]:
        trace_id = secrets.token_hex(16)
        ids = {span.phase: span.span_id for span in self.spans}
        root = secrets.token_hex(8)
        return {
            "resourceSpans": [
                {
                    "resource": {
                        "attributes": [{"key": "service.name", "value": {"stringValue": SERVICE}}]
                    },
                    "scopeSpans": [
                        {
                            "scope": {"name": SERVICE},
                            "spans": [
                                self._root_span(trace_id, root),
                                *(
                                    _encode(
                                        span,
                                        trace_id,
                                        ids.get(PARENTS.get(span.phase, span.phase))
                                        if span.phase in PARENTS
                                        else root,
                                    )
                                    for span in self.spans
                                ),
                            ],
                        }
                    ],
                }
            ]
        }

    def _root_span(self, trace_id: str, span_id: str) -> dict[str, object]:
        now = self._clock.now()
        started = min((span.started for span in self.spans), default=now)
        ended = max((span.ended for span in self.spans), default=now)
        return _span_fields(trace_id, span_id, None, "bbox.Run", (started, ended))


def _encode(span: Span, trace_id: str, parent: str | None) -> dict[str, object]:
    fields = _span_fields(
        trace_id, span.span_id, parent, span.phase.value, (span.started, span.ended)
    )
    fields["status"] = {"code": STATUS_ERROR if span.failed else STATUS_OK}
    return fields


def _span_fields(
    trace_id: str, span_id: str, parent: str | None, name: str, times: tuple[float, float]
) -> dict[str, object]:
    fields: dict[str, object] = {
        "traceId": trace_id,
        "spanId": span_id,
        "name": name,
        "kind": SPAN_KIND_INTERNAL,
        "startTimeUnixNano": str(int(times[0] * NANOSECONDS)),
        "endTimeUnixNano": str(int(times[1] * NANOSECONDS)),
    }
    if parent is not None:
        fields["parentSpanId"] = parent
    return fields
