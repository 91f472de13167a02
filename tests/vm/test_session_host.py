# SPDX-License-Identifier: Apache-2.0
"""A session outlives its clients: killed, gone, come back, two at once."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.lsp.raw_client import raw_client
from tests.vm.bbox_command import BBOX, CODEX_IMAGE, Bbox, make_bbox
from tests.vm.session_processes import host_of

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]

AGENT = "echo ready; while read word; do echo got-$word; echo $word >>said.txt; done"


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


def test_the_agent_works_on_when_its_client_is_killed(bbox: Bbox, tmp_path: Path) -> None:
    run = ("run", "--image", CODEX_IMAGE, "--no-review", "--", "sh", "-c", AGENT)
    with bbox.terminal(*run, cwd=tmp_path) as terminal:
        terminal.expect("ready", timeout_s=90)
        terminal.send("one\n")
        terminal.expect("got-one")
        os.kill(terminal.process.pid, signal.SIGKILL)
        terminal.process.wait()
    session = bbox.sessions(tmp_path)[0]
    assert (session["state"], session["running"]) == ("running", True)

    with (
        bbox.terminal("attach", cwd=tmp_path) as first,
        bbox.terminal("attach", cwd=tmp_path) as second,
    ):
        for terminal in (first, second):
            terminal.expect("ready")
            terminal.expect("got-one")
        first.send("two\n")
        first.expect("got-two")
        second.expect("got-two")
        stopped = bbox.run("stop", cwd=tmp_path)
        assert stopped.code == 0, stopped.error
        for terminal in (first, second):
            terminal.expect("Go on with: bbox review")
    applied = bbox.run("review", "--accept-all", "--flush", cwd=tmp_path)
    assert applied.code == 0, applied.error
    assert (tmp_path / "said.txt").read_text() == "one\ntwo\n"


def test_a_killed_host_loses_nothing_of_the_agents_work(bbox: Bbox, tmp_path: Path) -> None:
    run = ("run", "--image", CODEX_IMAGE, "--no-review", "--", "sh", "-c", AGENT)
    with bbox.terminal(*run, cwd=tmp_path) as terminal:
        terminal.expect("ready", timeout_s=90)
        terminal.send("one\n")
        terminal.expect("got-one")
        session = bbox.sessions(tmp_path)[0]
        os.kill(host_of(session["id"]), signal.SIGKILL)
        terminal.expect("session.host-failed")
        assert terminal.wait() == 1
    assert not bbox.sessions(tmp_path)[0]["running"]
    applied = bbox.run("review", "--accept-all", "--flush", cwd=tmp_path)
    assert applied.code == 0, applied.error
    assert (tmp_path / "said.txt").read_text() == "one\n"


def test_an_editor_runs_reviews_and_applies(bbox: Bbox, tmp_path: Path) -> None:
    server = (str(Path(BBOX).with_name("bbox-server")), "--stdio")
    with raw_client(*server, env=dict(bbox.env)) as client:
        client.initialize()
        params = {
            "workspaceUri": tmp_path.as_uri(),
            "image": CODEX_IMAGE,
            "args": ["sh", "-c", "echo hello; echo new >made.txt"],
            "terminal": {"cols": 80, "rows": 24},
        }
        session = client.ask("bbox/run", params)["result"]["id"]
        one = {"session": session}
        opened = client.start("bbox/terminal/open", one)
        client.start("bbox/subscribe", {**one, "fromSeq": 1})
        shown = ""
        states: list[str] = []
        while not {"reviewing", "failed"} & set(states) or "ended" not in shown:
            message = client.read()
            if message.get("id") == opened:
                assert message["result"]["fromByte"] == 0
            elif message.get("method") == "bbox/terminal/data":
                shown += message["params"]["data"]
            elif message.get("method") == "bbox/terminal/ended":
                shown += " ended"
            elif message.get("method") == "bbox/event":
                event = message["params"]
                states += [event["fields"]["state"]] if event["kind"] == "session.state" else []
        assert states == ["preparing", "starting", "running", "stopping", "reviewing"]
        listed = client.ask("bbox/changes/list", one)["result"]
        assert [change["path"] for change in listed["changes"]] == ["made.txt"]
        read = client.ask("bbox/file/read", {**one, "side": "agent", "path": "made.txt"})
        assert read["result"]["data"] == "bmV3Cg=="
        decision = {"change": listed["changes"][0]["id"], "verdict": "accepted"}
        decided = client.ask(
            "bbox/review/decide",
            {**one, "revision": listed["revision"], "decisions": [decision]},
        )
        assert decided["result"]["changes"][0]["verdict"] == "accepted", json.dumps(decided)
        plan = client.ask("bbox/flush/plan", one)["result"]
        applied = client.ask("bbox/flush/apply", {**one, "planHash": plan["planHash"]})
        assert applied["result"]["results"][0]["result"] == "applied"
    assert (tmp_path / "made.txt").read_text() == "new\n"
    deadline = time.monotonic() + 10
    while bbox.sessions(tmp_path)[0]["running"]:
        assert time.monotonic() < deadline, "the host outlives its last client"
