# SPDX-License-Identifier: Apache-2.0
"""From run to apply in an editor that knows LSP 3.17 and nothing of bbox/*."""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from bbox_server.entrypoints.lsp.names import COMMANDS
from bbox_server.wire import command
from tests.lsp.editor import Editor, Message, editor, host_of, wait_for_hosts
from tests.lsp.raw_client import INITIALIZE
from tests.lsp.stand_in import AGENT

BEFORE = "".join(f"line {number}\n" for number in range(1, 31))
AFTER = BEFORE.replace("line 2\n", "first change\n").replace("line 28\n", "second change\n")
HALF = BEFORE.replace("line 2\n", "first change\n")
WHOLE_FILE: Final = {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}
CAPABLE: Final = {
    "window": {"workDoneProgress": True, "showMessage": {}},
    "textDocument": {
        "codeAction": {"codeActionLiteralSupport": {"codeActionKind": {"valueSet": []}}}
    },
}
DIAGNOSTICS = "textDocument/publishDiagnostics"
FINISHED = "window/showMessage"


@pytest.fixture
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="bbox-"))
    directory.chmod(0o711)
    yield directory
    wait_for_hosts(directory)
    shutil.rmtree(directory)


@pytest.fixture
def workspace(home: Path) -> Path:
    directory = home / "my workspace"
    directory.mkdir()
    (directory / "a.txt").write_text(BEFORE)
    (directory / "b.txt").write_text("b\n")
    return directory


Open = Callable[..., Editor]


@pytest.fixture
def open_editor(home: Path, workspace: Path) -> Iterator[Open]:
    """An editor whose folder is the workspace, with the capabilities that it is given."""
    opened = editor(home)

    def make(**capabilities: object) -> Editor:
        client = opened.__enter__()
        params = {**INITIALIZE, "rootUri": workspace.as_uri(), "capabilities": capabilities}
        assert "result" in client.ask("initialize", params)
        client.send({"method": "initialized", "params": {}})
        return client

    yield make
    opened.__exit__(None, None, None)


def run(client: Editor, *steps: str) -> Any:
    return client.command("bbox.run", {"agent": AGENT, "args": steps})


def reviewing(client: Editor) -> str:
    session: str = run(client, f"write a.txt {AFTER}", "write b.txt c\n", "wait")["id"]
    client.until(FINISHED)
    return session


def problems(client: Editor, path: Path) -> list[Message]:
    """The newest diagnostics of a file."""
    found: list[Message] = []
    for params in client.params(DIAGNOSTICS):
        if params["uri"] == path.as_uri():
            found = params["diagnostics"]
    return found


def actions(client: Editor, path: Path, place: object = WHOLE_FILE) -> dict[str, Message]:
    """Titles and commands of the code actions at a place."""
    document = {"uri": path.as_uri()}
    found = client.request(
        "textDocument/codeAction", textDocument=document, range=place, context={"diagnostics": []}
    )
    return {
        item["title"]: item if isinstance(item["command"], str) else item["command"]
        for item in found
    }


def act(client: Editor, chosen: Message) -> Any:
    return client.command(chosen["command"], *chosen["arguments"])


def test_the_way_from_run_to_apply(open_editor: Open, workspace: Path) -> None:
    client = open_editor(**CAPABLE)
    client.answers["window/showMessageRequest"] = lambda _: {"title": "Apply"}
    reviewing(client)
    a, b = workspace / "a.txt", workspace / "b.txt"
    assert [item["range"]["start"]["line"] for item in problems(client, a)] == [1, 27]
    assert "-line 2\n+first change" in problems(client, a)[0]["message"]
    found = actions(client, a)
    assert [title.partition(" @@")[0] for title in found] == [
        *("Accept hunk", "Reject hunk") * 2,
        "Accept file a.txt",
        "Reject file a.txt",
        "Show diff of a.txt",
    ]
    titles = list(found)
    act(client, found[titles[0]])
    act(client, found[titles[3]])
    act(client, actions(client, b)["Reject file b.txt"])
    assert (problems(client, a), problems(client, b)) == ([], [])
    done = act(client, actions(client, a)[f"Apply accepted changes of {AGENT}"])
    assert [item["result"] for item in done["flush"]["results"]] == ["applied"]
    shown = client.params("window/showMessageRequest")[0]["message"]
    assert shown == "1 file will be written:\nwrite a.txt"
    assert (a.read_text(), b.read_text()) == (HALF, "b\n")


def test_progress_tells_how_the_run_goes(open_editor: Open) -> None:
    client = open_editor(**CAPABLE)
    reviewing(client)
    token = client.params("window/workDoneProgress/create")[0]["token"]
    steps = client.params("$/progress")
    assert {step["token"] for step in steps} == {token}
    values = [step["value"] for step in steps]
    assert values[0] == {"kind": "begin", "title": f"{AGENT} in a microVM", "cancellable": True}
    assert "MicroVM is up" in [value.get("message") for value in values]
    assert values[-1] == {
        "kind": "end",
        "message": f"{AGENT} has ended: 2 files wait for your review.",
    }


def test_progress_goes_under_the_editors_token_and_can_be_cancelled(open_editor: Open) -> None:
    client = open_editor(**CAPABLE)
    arguments = [{"agent": AGENT, "args": ["write b.txt c\n", "wait", "wait"], "terminal": SIZE}]
    params = {"command": "bbox.run", "arguments": arguments, "workDoneToken": "mine"}
    session = client.request("workspace/executeCommand", **params)["id"]
    client.until("$/progress", lambda step: step["value"].get("message") == "MicroVM is up")
    client.send({"method": "window/workDoneProgress/cancel", "params": {"token": "mine"}})
    client.until("$/progress", lambda step: step["value"]["kind"] == "end")
    assert client.params("window/workDoneProgress/create") == []
    assert client.request("bbox/sessions/get", session=session)["state"] == "reviewing"


SIZE = {"cols": 80, "rows": 24}


def test_an_editor_that_can_do_little_gets_little(open_editor: Open, workspace: Path) -> None:
    client = open_editor()
    reviewing(client)
    a = workspace / "a.txt"
    found = actions(client, a)
    act(client, found["Accept file a.txt"])
    client.command("bbox.apply")
    assert a.read_text() == AFTER
    asked = ("$/progress", "window/workDoneProgress/create", "window/showMessageRequest")
    assert [client.params(method) for method in asked] == [[], [], []]


def test_nothing_is_written_that_was_not_accepted(open_editor: Open, workspace: Path) -> None:
    client = open_editor(**CAPABLE)
    reviewing(client)
    assert "flush" not in client.command("bbox.apply")
    said = client.params(FINISHED)[-1]["message"]
    assert said == "Nothing is accepted that could be written."
    act(client, actions(client, workspace / "b.txt")["Accept file b.txt"])
    client.answers["window/showMessageRequest"] = lambda _: {"title": "Not now"}
    assert "flush" not in client.command("bbox.apply")
    assert (workspace / "b.txt").read_text() == "b\n"
    client.command("bbox.apply", {"ask": False})
    assert (workspace / "b.txt").read_text() == "c\n"


def test_an_apply_is_taken_back(open_editor: Open, workspace: Path) -> None:
    client = open_editor(**CAPABLE)
    reviewing(client)
    b = workspace / "b.txt"
    act(client, actions(client, b)["Accept file b.txt"])
    assert problems(client, b) == []
    client.command("bbox.undoDecision")
    assert len(problems(client, b)) == 1
    act(client, actions(client, b)["Accept file b.txt"])
    client.command("bbox.apply", {"ask": False})
    assert b.read_text() == "c\n"
    assert client.command("bbox.undo")["kind"] == "undo"
    assert b.read_text() == "b\n"
    assert client.params(FINISHED)[-1]["message"] == "1 file brought back."


def test_a_file_that_is_read_again_has_its_changes_again(
    open_editor: Open, workspace: Path
) -> None:
    client = open_editor()
    reviewing(client)
    b = workspace / "b.txt"
    before = problems(client, b)
    client.heard.clear()
    document = {"uri": b.as_uri(), "languageId": "text", "version": 1, "text": "b\n"}
    client.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
    client.until(DIAGNOSTICS, lambda told: told["uri"] == b.as_uri())
    assert problems(client, b) == before


def test_what_is_unsaved_in_the_editor_is_not_written_over(
    open_editor: Open, workspace: Path
) -> None:
    client = open_editor()
    reviewing(client)
    a, b = workspace / "a.txt", workspace / "b.txt"
    for path in (a, b):
        document = {"uri": path.as_uri(), "languageId": "text", "version": 1}
        opened = {"textDocument": {**document, "text": path.read_text()}}
        client.send({"method": "textDocument/didOpen", "params": opened})
        act(client, actions(client, path)[f"Accept file {path.name}"])
    edit = {"textDocument": {"uri": b.as_uri(), "version": 2}}
    typed = {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}}
    changed = {**edit, "contentChanges": [{**typed, "text": "mine "}]}
    client.send({"method": "textDocument/didChange", "params": changed})
    plan = client.command("bbox.apply")["plan"]
    assert [(item["path"], item["reason"]) for item in plan["conflicts"]] == [("b.txt", "unsaved")]
    assert (a.read_text(), b.read_text()) == (AFTER, "b\n")
    # What an editor does that reads the file again: a change, and nothing is unsaved.
    back = {**edit, "contentChanges": [{"text": "b\n"}]}
    client.send({"method": "textDocument/didChange", "params": back})
    act(client, actions(client, b)["Accept file b.txt"])
    assert client.command("bbox.apply")["plan"]["conflicts"] == []
    assert b.read_text() == "c\n"


@pytest.mark.parametrize("can_show", [True, False])
def test_a_diff_is_shown_where_the_editor_opens_files(
    open_editor: Open, workspace: Path, *, can_show: bool
) -> None:
    client = open_editor(window={"showDocument": {"support": can_show}})
    client.answers["window/showDocument"] = lambda _: {"success": True}
    reviewing(client)
    show = actions(client, workspace / "b.txt")["Show diff of b.txt"]
    shown = client.command(show["command"], *show["arguments"])
    assert shown["diff"] == "--- a/b.txt\n+++ b/b.txt\n@@ -1,1 +1,1 @@\n-b\n+c\n"
    page = Path(shown["uri"].removeprefix("file://"))
    assert page.read_text() == shown["diff"]
    assert not page.is_relative_to(workspace)
    opened = [params["uri"] for params in client.params("window/showDocument")]
    assert opened == ([shown["uri"]] if can_show else [])


def test_changes_are_shown_while_the_agent_works(open_editor: Open, workspace: Path) -> None:
    client = open_editor(**CAPABLE)
    steps = ["write b.txt c\n", "wait"]
    session = client.command("bbox.run", {"agent": AGENT, "args": steps, "terminal": SIZE})["id"]
    client.until(DIAGNOSTICS)
    assert client.request("bbox/sessions/get", session=session)["state"] == "running"
    assert len(problems(client, workspace / "b.txt")) == 1
    assert client.command("bbox.stop", {"mode": "now"})["state"] == "reviewing"


def test_a_session_is_found_again(open_editor: Open, home: Path, workspace: Path) -> None:
    session = reviewing(open_editor(**CAPABLE))
    with editor(home) as other:
        other.ask("initialize", {**INITIALIZE, "rootUri": workspace.as_uri()})
        summary = other.command("bbox.review")
        b = workspace / "b.txt"
        assert summary == {
            "session": session,
            "undecided": 2,
            "accepted": 0,
            "rejected": 0,
            "withheld": 0,
            "uris": [(workspace / "a.txt").as_uri(), b.as_uri()],
        }
        assert len(problems(other, b)) == 1


@pytest.mark.parametrize("answer", ["Allow it", "Run without it", None])
def test_what_a_workspace_asks_for_is_asked_for(
    open_editor: Open, workspace: Path, answer: str | None
) -> None:
    config = workspace / ".broodbox.yaml"
    config.write_text("network: {allow_hosts: [{name: db.example.com, ports: [5432]}]}\n")
    client = open_editor(**CAPABLE)
    client.answers["window/showMessageRequest"] = lambda _: answer and {"title": answer}
    run(client, "say hello")
    client.until(FINISHED)
    run(client, "say hello")
    asked = client.params("window/showMessageRequest")
    assert "db.example.com" in asked[0]["message"]
    assert len(asked) == (2 if answer is None else 1)  # who says nothing is asked again


def test_an_agent_is_asked_for_or_the_want_of_one_is_told(open_editor: Open) -> None:
    client = open_editor()
    params = {"command": "bbox.run", "arguments": [{}]}
    error = client.ask("workspace/executeCommand", params)["error"]
    assert error["data"]["code"] == "cli.usage"
    # The message alone says it all: an editor shows nothing else.
    assert error["data"]["remediation"] in error["message"]


@pytest.mark.parametrize(
    ("name", "arguments", "named"),
    [
        ("bbox.run", [{"agent": 5, "surprise": 1}], ["agent: ", "surprise: "]),
        ("bbox.run", ["codex"], ["params: "]),
        ("bbox.stop", [{"mode": "maybe"}], ["mode: "]),
        ("bbox.decide", [{"session": "3f9a1c07"}], ["revision: ", "decisions: "]),
        ("bbox.apply", [{"ask": "perhaps"}], ["ask: "]),
        ("bbox.review", [{"session": 5}], ["session: "]),
    ],
)
def test_bad_arguments_are_named(
    open_editor: Open, name: str, arguments: list[object], named: list[str]
) -> None:
    client = open_editor()
    params = {"command": name, "arguments": arguments}
    error = client.ask("workspace/executeCommand", params)["error"]
    assert error["code"] == -32602
    assert [field for field in named if field not in error["message"]] == []


def test_a_host_that_was_killed_is_told_and_the_review_goes_on(
    open_editor: Open, workspace: Path
) -> None:
    client = open_editor(**CAPABLE)
    steps = ["write b.txt c\n", "wait"]
    session = client.command("bbox.run", {"agent": AGENT, "args": steps, "terminal": SIZE})["id"]
    b = (workspace / "b.txt").as_uri()
    client.until(DIAGNOSTICS, lambda told: told["uri"] == b and told["diagnostics"])
    os.kill(host_of(session), signal.SIGKILL)
    assert "was killed" in client.until(FINISHED)["message"]
    assert client.command("bbox.review")["undecided"] == 1
    assert len(problems(client, workspace / "b.txt")) == 1


def test_a_failed_run_is_told(open_editor: Open, workspace: Path) -> None:
    client = open_editor(**CAPABLE)
    shutil.rmtree(workspace)
    arguments = [{"agent": AGENT, "args": ["say hello"]}]
    params = {"command": "bbox.run", "arguments": arguments}
    answer = client.ask("workspace/executeCommand", params)
    said = answer["error"]["message"] if "error" in answer else client.until(FINISHED)["message"]
    assert "my workspace" in said


def test_the_commands_are_those_of_the_table() -> None:
    assert tuple(item.name for item in command.COMMANDS) == COMMANDS
