# SPDX-License-Identifier: Apache-2.0
"""What every place for traces does."""

from pathlib import Path

import pytest

from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.trace import Span, TraceFiles
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.tracing.spans import OtlpFiles
from tests.fakes.trace import MemoryTraceFiles

RECORD = SessionRecord(
    id=SessionId("00c0ffee"),
    state=SessionState.DONE,
    agent="codex",
    workspace=HostPath("/w"),
    command=(),
    image="",
    created_at=1.5,
)
ROOT = Span(number=0, parent=None, name="bbox.Run", started=1.0, ended=2.0)


@pytest.fixture(params=["fake", "disk"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> TraceFiles:
    if request.param == "fake":
        return MemoryTraceFiles()
    (tmp_path / "sessions" / RECORD.id).mkdir(parents=True)
    return OtlpFiles(state=tmp_path, version="1")


def test_a_session_is_traced_from_its_first_trace_on(files: TraceFiles) -> None:
    assert files.exists(RECORD) is False
    first = files.write(RECORD, (ROOT,))
    assert files.exists(RECORD) is True
    assert files.write(RECORD, (ROOT,)) == first
