# SPDX-License-Identifier: Apache-2.0
"""The document against the rules of OTLP's JSON encoding."""

import json
import re
import stat
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.trace import TRACE_FILE, Span
from bbox_server.infra.tracing.spans import OtlpFiles
from tests.contract.test_trace_files import RECORD, ROOT

SPAN_FIELDS = {
    "traceId",
    "spanId",
    "parentSpanId",
    "name",
    "kind",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "status",
}
PART = Span(
    number=3,
    parent=0,
    name="bbox.Flush",
    started=1_700_000_000.25,
    ended=1_700_000_001.5,
    message="2 changes",
)
FAILED = replace(PART, number=5, message="disk full", failed=True)


@pytest.fixture
def files(tmp_path: Path) -> OtlpFiles:
    (tmp_path / "sessions" / RECORD.id).mkdir(parents=True)
    return OtlpFiles(state=tmp_path, version="1.2")


def spans(files: OtlpFiles, *written: Span) -> list[dict[str, Any]]:
    document = json.loads(Path(files.write(RECORD, written)).read_text())
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    attributes = {one["key"]: one["value"] for one in resource["resource"]["attributes"]}
    assert attributes["service.name"] == {"stringValue": "bbox-server"}
    found: list[dict[str, Any]] = scope["spans"]
    return found


def test_ids_times_and_states_are_encoded_as_otlp_wants_them(files: OtlpFiles) -> None:
    root, part, failed = spans(files, ROOT, PART, FAILED)
    for span in (root, part, failed):
        assert span.keys() <= SPAN_FIELDS
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", span["spanId"])
        assert span["kind"] == 1
        assert all(value.keys() == {"key", "value"} for value in span["attributes"])
    assert part["startTimeUnixNano"] == "1700000000250000000"
    assert part["endTimeUnixNano"] == "1700000001500000000"
    assert (part["status"], failed["status"]) == (
        {"code": 1},
        {"code": 2, "message": "disk full"},
    )


def test_parents_are_spans_of_the_same_trace(files: OtlpFiles) -> None:
    root, part, failed = spans(files, ROOT, PART, FAILED)
    assert "parentSpanId" not in root
    assert part["parentSpanId"] == failed["parentSpanId"] == root["spanId"]
    assert len({span["spanId"] for span in (root, part, failed)}) == 3
    assert len({span["traceId"] for span in (root, part, failed)}) == 1


def test_a_later_write_goes_on_with_the_same_trace(files: OtlpFiles) -> None:
    before = spans(files, ROOT)
    after = spans(files, ROOT, PART)
    assert after[0]["traceId"] == before[0]["traceId"]
    assert after[0]["spanId"] == before[0]["spanId"]
    other = replace(RECORD, created_at=2.5)
    changed = json.loads(Path(files.write(other, (ROOT,))).read_text())
    span = changed["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    assert span["traceId"] != before[0]["traceId"]


def test_the_file_is_the_users_alone_and_nothing_is_left_beside_it(
    files: OtlpFiles, tmp_path: Path
) -> None:
    path = Path(files.write(RECORD, (ROOT,)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "sessions" / RECORD.id).iterdir()] == [TRACE_FILE]


def test_a_trace_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    gone = replace(RECORD, id=SessionId("0badcafe"))
    with pytest.raises(BboxError) as raised:
        OtlpFiles(state=tmp_path, version="1").write(gone, (ROOT,))
    assert raised.value.code is ErrorCode.SESSION_CORRUPT


def test_opentelemetrys_own_types_hold_the_document(files: OtlpFiles) -> None:
    document = json.loads(Path(files.write(RECORD, (ROOT, PART, FAILED))).read_text())
    for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        # OTLP writes ids as hexadecimal digits, protobuf's JSON bytes as base64.
        for name in {"traceId", "spanId", "parentSpanId"} & span.keys():
            span[name] = b64encode(bytes.fromhex(span[name])).decode()
    data = json_format.Parse(json.dumps(document), TracesData())  # refuses what it does not know

    (scope,) = data.resource_spans[0].scope_spans
    parents = {span.parent_span_id for span in scope.spans} - {b""}
    assert [span.name for span in scope.spans] == [ROOT.name, PART.name, FAILED.name]
    assert parents <= {span.span_id for span in scope.spans}
    assert scope.spans[2].status.code == Status.STATUS_CODE_ERROR
