# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/guide/sessions.md, and the trace that they leave."""

import json
import os
from pathlib import Path

import pytest

from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from tests.vm.bbox_command import make_bbox
from tests.vm.guide_page import run_page

pytestmark = [pytest.mark.vm, pytest.mark.timeout(600)]


def test_the_guide_shows_what_happens(sandbox_dir: Path) -> None:
    user = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})
    project = sandbox_dir / "project"
    project.mkdir()
    os.chown(project, user.uid, user.gid)
    # A home of its own: the login of who runs the tests is not theirs to use.
    home = {"HOME": str(sandbox_dir)}
    keys = {"OPENAI_API_KEY": "", "CODEX_API_KEY": "", "BBOX_TRACE": ""}
    bbox = make_bbox(sandbox_dir, {**keys, **home})
    assert run_page("docs/guide/sessions.md", project, bbox.env) == ""

    (path,) = sandbox_dir.glob("state/bbox/sessions/*/trace.json")
    (resource,) = json.loads(path.read_text())["resourceSpans"]
    spans = {span["name"]: span for span in resource["scopeSpans"][0]["spans"]}
    assert {
        *("bbox.Run", "bbox.Prepare", "bbox.Image", "bbox.CreateSnapshot", "bbox.StartVM"),
        *("microvm.Run", "microvm.Boot", "microvm.SSHWaitReady", "bbox.Terminal"),
        *("bbox.SaveCredentials", "bbox.Stop", "bbox.Cleanup", "bbox.Diff"),
        *("bbox.Review", "bbox.Flush"),
    } == spans.keys()
    assert all(span["status"] == {"code": 1} for span in spans.values())
    assert spans["microvm.Boot"]["parentSpanId"] == spans["microvm.Run"]["spanId"]
