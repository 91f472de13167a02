# SPDX-License-Identifier: Apache-2.0
"""Spans as one OTLP/JSON document, which Jaeger and others load.

OTLP's JSON is protobuf's with three changes (opentelemetry-proto, docs/specification.md, JSON
Protobuf Encoding): trace and span ids are hexadecimal, enums are numbers, 64-bit integers texts.
"""

import errno
import hashlib
import json
import os
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionRecord
from bbox_server.domain.trace import TRACE_FILE, Span, TraceFiles
from bbox_server.domain.workspace import HostPath

SERVICE: Final = "bbox-server"
MICROSECONDS: Final = 1_000_000
# opentelemetry-proto, trace/v1: Status.StatusCode, Span.SpanKind
STATUS_OK: Final = 1
STATUS_ERROR: Final = 2
SPAN_KIND_INTERNAL: Final = 1

JsonObject = dict[str, object]


class OtlpFiles(TraceFiles):
    """`trace.json` in each session's directory."""

    def __init__(self, *, state: Path, version: str) -> None:
        self._sessions = state / "sessions"
        self._version = version

    @override
    def write(self, record: SessionRecord, spans: tuple[Span, ...]) -> HostPath:
        path = self._path(record)
        part = path.with_name(f"{TRACE_FILE}.{os.getpid()}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
                json.dump(self._document(record, spans), out, indent=1)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            code = ErrorCode.DISK_FULL if error.errno == errno.ENOSPC else ErrorCode.SESSION_CORRUPT
            raise BboxError(
                code,
                cause=f"{path} could not be written: {error.strerror}.",
                remediation="Free some space, and see that the directory is yours.",
            ) from error
        return HostPath(str(path))

    @override
    def exists(self, record: SessionRecord) -> bool:
        return self._path(record).exists()

    def _path(self, record: SessionRecord) -> Path:
        return self._sessions / record.id / TRACE_FILE

    def _document(self, record: SessionRecord, spans: tuple[Span, ...]) -> JsonObject:
        resource = _attributes({"service.name": SERVICE, "service.version": self._version})
        scope = {"name": SERVICE, "version": self._version}
        encoded = [_encode(span, record) for span in spans]
        scoped = {"scope": scope, "spans": encoded}
        return {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [scoped]}]}


def _encode(span: Span, record: SessionRecord) -> JsonObject:
    fields: JsonObject = {
        "traceId": _digest(record, "trace", 32),
        "spanId": _digest(record, str(span.number), 16),
        "name": span.name,
        "kind": SPAN_KIND_INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.started),
        "endTimeUnixNano": _nanoseconds(span.ended),
        "attributes": _attributes(_facts(span, record)),
        "status": _status(span),
    }
    if span.parent is not None:
        fields["parentSpanId"] = _digest(record, str(span.parent), 16)
    return fields


def _nanoseconds(seconds: float) -> str:
    """To the microsecond: a float of today's date holds no more."""
    return f"{round(seconds * MICROSECONDS)}000"


def _status(span: Span) -> JsonObject:
    if span.failed:
        return {"code": STATUS_ERROR, "message": span.message}
    return {"code": STATUS_OK}


def _facts(span: Span, record: SessionRecord) -> dict[str, str]:
    facts: dict[str, str] = {"bbox.session": record.id}
    if span.parent is None:
        facts["bbox.agent"] = record.agent
    elif span.message and not span.failed:
        facts["bbox.message"] = span.message
    return facts


def _attributes(facts: dict[str, str]) -> list[JsonObject]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in facts.items()]


def _digest(record: SessionRecord, name: str, digits: int) -> str:
    """The same for each process that writes the session's trace, and no other session's."""
    seed = f"{record.id} {record.created_at!r} {name}"
    return hashlib.sha256(seed.encode()).hexdigest()[:digits]
