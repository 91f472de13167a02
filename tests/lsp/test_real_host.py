# SPDX-License-Identifier: Apache-2.0
"""Every method through the language server and a session's host, both as processes of their own.

Only the guest is a stand-in (tests/lsp/stand_in.py).
"""

import ast
import base64
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bbox_server.wire.method import METHODS
from tests.lsp.editor import Editor, base64_of, editor, host_of, wait_for_hosts
from tests.lsp.stand_in import AGENT

BEFORE = "".join(f"line {number}\n" for number in range(1, 31))
# Far enough apart to be two hunks.
AFTER = BEFORE.replace("line 2\n", "first change\n").replace("line 28\n", "second change\n")
SIZE = {"cols": 80, "rows": 24}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Short, for the sockets, and passable for the sandbox uid."""
    directory = Path(tempfile.mkdtemp(prefix="bbox-"))
    directory.chmod(0o711)
    yield directory
    wait_for_hosts(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Editor]:
    with editor(home) as client:
        client.initialize()
        yield client


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(BEFORE)
    (tmp_path / "b.txt").write_text("b\n")
    return tmp_path


def run(server: Editor, workspace: Path, *steps: str, **params: object) -> str:
    asked = {"workspaceUri": workspace.as_uri(), "agent": AGENT, "args": steps, **params}
    session: str = server.request("bbox/run", **asked)["id"]
    server.request("bbox/subscribe", session=session, fromSeq=1)
    return session


def reviewed(server: Editor, workspace: Path) -> str:
    """A session that has changed two places of a.txt, and b.txt, and waits for its review."""
    session = run(server, workspace, f"write a.txt {AFTER}", "write b.txt c\n")
    server.until_state(session, "reviewing")
    return session


def changes(server: Editor, session: str) -> list[dict[str, Any]]:
    page = server.request("bbox/changes/list", session=session, withHunks=True)
    found: list[dict[str, Any]] = page["changes"]
    return found


def decide(server: Editor, session: str, *decisions: dict[str, object]) -> Any:
    params = {"session": session, "revision": 1, "decisions": decisions}
    return server.request("bbox/review/decide", **params)


def accept_first_hunk(server: Editor, session: str) -> None:
    item = changes(server, session)[0]
    hunk = item["hunks"][0]["id"]
    decide(server, session, {"change": item["id"], "hunk": hunk, "verdict": "accepted"})


def shown(server: Editor, session: str) -> bytes:
    data = [item for item in server.params("bbox/terminal/data") if item["session"] == session]
    return b"".join(base64.b64decode(item["data"]) for item in data)


def test_agents_are_listed_with_what_they_lack(server: Editor) -> None:
    found = server.request("bbox/agents/list")["agents"][0]
    assert (found["name"], found["available"]) == (AGENT, False)
    assert found["missing"] == ["image example.com/agent:latest"]


def test_the_doctor_says_whether_an_agent_can_run(server: Editor) -> None:
    report = server.request("bbox/doctor")
    assert {check["status"] for check in report["checks"]} <= {"ok", "warning", "failed"}
    assert report["ready"] is all(check["status"] != "failed" for check in report["checks"])


def test_sessions_are_listed_by_workspace_and_looked_up(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    uri = workspace.as_uri()
    listed = server.request("bbox/sessions/list", workspaceUri=uri)["sessions"]
    assert [item["id"] for item in listed] == [session]
    assert server.request("bbox/sessions/get", session=session) == listed[0]
    server.request("bbox/sessions/discard", session=session)
    assert server.request("bbox/sessions/list", workspaceUri=uri)["sessions"] == []
    assert server.failure("bbox/sessions/get", session=session)["code"] == "session.unknown"


def test_a_terminal_is_typed_into_resized_and_seen_again(server: Editor, workspace: Path) -> None:
    session = run(server, workspace, "say hello", "wait", "say bye", terminal=SIZE)
    opened = server.request("bbox/terminal/open", session=session, fromByte=0, size=SIZE)
    view = {"session": session, "terminal": opened["terminal"]}
    server.request("bbox/terminal/resize", **view, size={"cols": 120, "rows": 40})
    server.request("bbox/terminal/input", **view, data=base64_of(b"\n"))
    server.until("bbox/terminal/ended", lambda item: item["session"] == session)
    text = shown(server, session)
    assert b"hello\r\nbye\r\n" in text
    server.request("bbox/terminal/ack", **view, byte=len(text))
    server.request("bbox/terminal/close", **view)
    assert server.failure("bbox/terminal/ack", **view, byte=0)["code"] == "session.state"
    server.heard.clear()
    server.request("bbox/terminal/open", session=session, fromByte=text.index(b"bye"))
    server.until("bbox/terminal/ended", lambda item: item["session"] == session)
    assert shown(server, session) == text[text.index(b"bye") :]


def test_output_follows_the_answer_that_names_its_terminal(server: Editor, workspace: Path) -> None:
    session = run(server, workspace, "say hello", "wait", terminal=SIZE)
    server.until_state(session, "running")
    for _ in range(20):
        server.heard.clear()
        opened = server.request("bbox/terminal/open", session=session, fromByte=0)
        assert server.params("bbox/terminal/data") == []
        server.until("bbox/terminal/data")
        view = {"session": session, "terminal": opened["terminal"]}
        server.request("bbox/terminal/close", **view)
    server.request("bbox/sessions/stop", session=session, mode="now")


def test_events_are_numbered_and_end_with_the_subscription(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    events = [item for item in server.params("bbox/event") if item["session"] == session]
    assert [item["seq"] for item in events] == list(range(1, len(events) + 1))
    server.heard.clear()
    server.request("bbox/subscribe", session=session, fromSeq=3)
    assert server.until("bbox/event")["seq"] == 3
    server.request("bbox/unsubscribe", session=session)
    server.heard.clear()
    accept_first_hunk(server, session)
    assert server.params("bbox/event") == []


def test_changes_come_in_pages_and_one_by_one(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    first = server.request("bbox/changes/list", session=session, limit=1)
    assert [item["path"] for item in first["changes"]] == ["a.txt"]
    rest = server.request("bbox/changes/list", session=session, cursor=first["nextCursor"])
    assert [item["path"] for item in rest["changes"]] == ["b.txt"]
    change = first["changes"][0]["id"]
    detail = server.request("bbox/changes/get", session=session, change=change)["change"]
    assert [hunk["oldStart"] for hunk in detail["hunks"]] == [1, 25]
    stale = server.failure("bbox/changes/get", session=session, change="gone")
    assert stale["code"] == "review.stale"


def test_the_sides_of_a_file_can_be_read(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    accept_first_hunk(server, session)
    found = {
        side: base64.b64decode(
            server.request("bbox/file/read", session=session, side=side, path="a.txt")["data"]
        ).decode()
        for side in ("baseline", "agent", "result")
    }
    half = BEFORE.replace("line 2\n", "first change\n")
    assert found == {"baseline": BEFORE, "agent": AFTER, "result": half}
    part = {
        "session": session,
        "side": "agent",
        "path": "b.txt",
        "range": {"start": 1, "length": 9},
    }
    read = server.request("bbox/file/read", **part)
    assert (base64.b64decode(read["data"]), read["size"]) == (b"\n", 2)
    own = {"session": session, "side": "workspace", "path": "a.txt"}
    assert server.failure("bbox/file/read", **own)["remediation"] == "Open the file itself."


def test_a_decision_is_made_taken_back_and_refused_where_it_is_stale(
    server: Editor, workspace: Path
) -> None:
    session = reviewed(server, workspace)
    accept_first_hunk(server, session)
    assert changes(server, session)[0]["verdict"] == "mixed"
    undone = server.request("bbox/review/undo", session=session)["changes"]
    assert [item["verdict"] for item in undone] == ["undecided"]
    params = {"revision": 1, "decisions": [{"change": "gone", "verdict": "accepted"}]}
    stale = server.failure("bbox/review/decide", session=session, **params)
    assert stale["code"] == "review.stale"


def test_what_was_accepted_or_edited_is_written_and_taken_back(
    server: Editor, workspace: Path
) -> None:
    session = reviewed(server, workspace)
    accept_first_hunk(server, session)
    other = changes(server, session)[1]
    edit = {"change": other["id"], "baseHash": other["agent"]["hash"], "data": base64_of(b"d\n")}
    server.request("bbox/review/edit", session=session, **edit)
    plan = server.request("bbox/flush/plan", session=session)
    assert [item["path"] for item in plan["operations"]] == ["a.txt", "b.txt"]
    stale = server.failure("bbox/flush/apply", session=session, planHash="other")
    assert stale["code"] == "flush.stale"
    done = server.request("bbox/flush/apply", session=session, planHash=plan["planHash"])
    assert {item["result"] for item in done["results"]} == {"applied"}
    assert (workspace / "a.txt").read_text() == BEFORE.replace("line 2\n", "first change\n")
    assert (workspace / "b.txt").read_text() == "d\n"
    # The agent has committed nothing: there is nothing to move a branch to.
    forwarded = server.request("bbox/flush/forward", session=session, flush=done["flush"])
    assert forwarded == {"session": session, "refs": []}
    undone = server.request("bbox/flush/undo", session=session)
    assert undone["kind"] == "undo"
    assert (workspace / "a.txt").read_text() == BEFORE


def test_a_conflict_is_told_and_its_draft_is_edited(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    assert {item["conflict"] for item in changes(server, session)} == {"none"}
    (workspace / "a.txt").write_text(BEFORE.replace("line 15\n", "mine\n"))
    (workspace / "b.txt").write_text("mine\n")
    first, second = changes(server, session)
    assert (first["conflict"], second["conflict"]) == ("mergeable", "conflicting")

    draft = server.request("bbox/review/draft", session=session, change=second["id"])
    assert (draft["conflicts"], b"<<<<<<<" in base64.b64decode(draft["data"])) == (1, True)
    edit = {"change": second["id"], "baseHash": draft["baseHash"], "data": base64_of(b"both\n")}
    edited = server.request("bbox/review/edit", session=session, **edit)["changes"]
    assert [(item["verdict"], item["conflict"]) for item in edited] == [("edited", "none")]

    plan = server.request("bbox/flush/plan", session=session, unsaved=["b.txt"])
    assert [item["reason"] for item in plan["conflicts"]] == ["unsaved"]
    shown = {"planHash": plan["planHash"]}
    assert server.failure("bbox/flush/apply", session=session, **shown)["code"] == "flush.stale"
    server.request("bbox/flush/apply", session=session, **shown, unsaved=["b.txt"])
    assert (workspace / "b.txt").read_text() == "mine\n"


@pytest.mark.parametrize("mode", ["graceful", "now"])
def test_a_run_that_is_stopped_waits_for_its_review(
    server: Editor, workspace: Path, mode: str
) -> None:
    session = run(server, workspace, "write b.txt c\n", "wait")
    server.until_state(session, "running")
    server.until_changes(session)
    stopped = server.request("bbox/sessions/stop", session=session, mode=mode)
    assert stopped["state"] == "reviewing"
    assert [item["path"] for item in changes(server, session)] == ["b.txt"]


def test_changes_are_told_while_the_agent_works(server: Editor, workspace: Path) -> None:
    session = run(server, workspace, "wait", "write b.txt c\n", "wait")
    opened = server.request("bbox/terminal/open", session=session, fromByte=0)
    server.until_state(session, "running")
    view = {"session": session, "terminal": opened["terminal"]}
    server.request("bbox/terminal/input", **view, data=base64_of(b"\n"))

    server.until_changes(session)
    assert [item["path"] for item in changes(server, session)] == ["b.txt"]
    server.request("bbox/sessions/stop", session=session, mode="now")


def test_an_editor_steers_the_network_of_a_running_agent(server: Editor, workspace: Path) -> None:
    session = run(server, workspace, "wait")
    server.until_state(session, "running")
    server.request("bbox/subscribe", session=session, fromSeq=1, answersNetwork=True)
    assert server.request("bbox/network/list", session=session)["questions"] == []
    word = {"host": "new.test", "port": 22, "answer": "session"}
    server.request("bbox/network/answer", session=session, **word)
    rules = server.request("bbox/network/rules", session=session)
    assert rules["added"] == [{"host": "new.test", "ports": [22]}]
    told = server.until("bbox/event", lambda event: event["kind"] == "network.answered")
    assert told["fields"] == word
    server.request("bbox/sessions/stop", session=session, mode="now")


def test_an_editor_is_told_of_a_host_that_was_killed_and_goes_on_with_the_next(
    server: Editor, workspace: Path
) -> None:
    session = run(server, workspace, "write b.txt c\n", "wait")
    server.until_state(session, "running")
    server.until_changes(session)
    os.kill(host_of(session), signal.SIGKILL)
    server.until("bbox/session/lost", lambda lost: lost["session"] == session)
    assert [item["path"] for item in changes(server, session)] == ["b.txt"]
    assert server.request("bbox/sessions/get", session=session)["state"] == "reviewing"


def test_a_workspace_asks_for_more_once_per_content(server: Editor, workspace: Path) -> None:
    uri = workspace.as_uri()
    assert server.request("bbox/trust/get", workspaceUri=uri) == {
        "workspaceUri": uri,
        "widening": [],
    }
    config = workspace / ".broodbox.yaml"
    config.write_text("network: {allow_hosts: [{name: db.example.com, ports: [5432]}]}\n")
    found = server.request("bbox/trust/get", workspaceUri=uri)
    assert len(found["widening"]) == 1
    assert "db.example.com" in found["widening"][0]
    assert "decision" not in found
    said = {"workspaceUri": uri, "digest": found["digest"], "decision": "trusted"}
    assert server.request("bbox/trust/decide", **said)["decision"] == "trusted"
    config.write_text(config.read_text().replace("5432", "5433"))
    assert "decision" not in server.request("bbox/trust/get", workspaceUri=uri)


def test_a_session_leaves_a_log(server: Editor, workspace: Path) -> None:
    session = reviewed(server, workspace)
    log = server.request("bbox/sessions/log", session=session)
    assert [event["seq"] for event in log["events"]] == list(range(1, len(log["events"]) + 1))
    states = [event["fields"].get("state") for event in log["events"]]
    assert [state for state in states if state][-1] == "reviewing"
    assert "trace" not in log


def test_every_method_of_the_table_is_asked_here() -> None:
    tree = ast.parse(Path(__file__).read_text())
    asked = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {method.name for method in METHODS} - asked == set()
