# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each process in each phase: the work is kept, nothing is torn, the user is told."""

import base64
import json
import os
import re
import signal
from pathlib import Path
from typing import Final

import pytest

from tests.lsp.raw_client import RawClient, raw_client
from tests.vm.bbox_command import BBOX, CODEX_IMAGE, Bbox, make_bbox
from tests.vm.session_processes import (
    host_of,
    mounts_of,
    of_kind,
    of_session,
    running_in,
    still_there,
    wait_until,
)

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]

SERVER: Final = str(Path(BBOX).with_name("bbox-server"))
FILES: Final = 20
WRITES: Final = f"n=0; while [ $n -lt {FILES} ]; do n=$((n+1)); echo content $n >file$n; done"
MANY_FILES: Final = 3000
FLUSHED_FILES: Final = 400
GOES_ON: Final = {("starting", "qemu"), ("starting", "relay"), ("stopping", "qemu")}


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Large enough for a snapshot that takes its time."""
    directory = tmp_path / "work"
    (directory / "many").mkdir(parents=True)
    for number in range(MANY_FILES):
        (directory / f"many/{number}").write_text("the user's\n")
    return directory


def state_of(bbox: Bbox) -> tuple[str, str]:
    """The only session and its state, straight from its record."""
    for path in bbox.home.glob("state/bbox/sessions/*/record.json"):
        return path.parent.name, json.loads(path.read_bytes())["state"]
    return "", ""


def wait_for_phase(bbox: Bbox, phase: str, victim: str) -> tuple[str, dict[int, bytes]]:
    """The session and its processes, once it is in the phase and the victim runs."""
    found: dict[int, bytes] = {}

    def is_there() -> bool:
        session, state = state_of(bbox)
        if state != phase:
            return False
        try:
            found.update(of_session(session))
        except LookupError:
            return False
        return bool(of_kind(still_there(found), victim))

    wait_until(is_there, 120, f"{victim} in {phase}")
    return state_of(bbox)[0], found


def check_nothing_is_left(bbox: Bbox, processes: dict[int, bytes]) -> None:
    wait_until(lambda: not still_there(processes), 30, "all gone")
    wait_until(lambda: not running_in(bbox.home), 30, "let go")
    assert mounts_of(bbox.home) == []


def check_workspace_is_untouched(workspace: Path) -> None:
    assert [path.name for path in workspace.iterdir()] == ["many"]
    assert len(list((workspace / "many").iterdir())) == MANY_FILES


@pytest.mark.parametrize(
    ("phase", "victim"),
    [
        ("preparing", "host"),
        ("starting", "host"),
        ("starting", "qemu"),
        ("starting", "virtiofsd"),
        ("starting", "relay"),
        ("stopping", "host"),
        ("stopping", "qemu"),
    ],
)
def test_a_kill_in_a_phase_is_told_and_loses_nothing(
    bbox: Bbox, workspace: Path, phase: str, victim: str
) -> None:
    words = ("run", "--image", CODEX_IMAGE, "--", "sh", "-c", WRITES)
    with bbox.start(*words, cwd=workspace) as process:
        session, processes = wait_for_phase(bbox, phase, victim)
        os.kill(of_kind(processes, victim)[0], signal.SIGKILL)
        told = process.communicate(timeout=120)[0].decode()
    check_nothing_is_left(bbox, processes)
    check_workspace_is_untouched(workspace)
    record = bbox.sessions(workspace)[0]
    assert (record["id"], record["running"]) == (session, False)
    if process.returncode:
        assert re.search(r"bbox (sessions|logs|review)|[Ss]tart .*again", told), told
    else:
        # Without the relay the agent works on; without QEMU another board is tried.
        assert (phase, victim) in GOES_ON
    if record["state"] in {"failed", "preparing"}:
        assert bbox.run("discard", session, "--force", cwd=workspace).code == 0
        assert bbox.sessions(workspace) == []
        return
    flushed = bbox.run("review", session, "--accept-all", "--flush", cwd=workspace)
    assert flushed.code == 0, flushed.error
    has_run = phase == "stopping" or process.returncode == 0
    written = {path.name: path.read_text() for path in workspace.iterdir() if path.is_file()}
    assert written == {f"file{n}": f"content {n}\n" for n in range(1, FILES + 1) if has_run}


def test_a_host_killed_in_a_review_keeps_what_was_decided(bbox: Bbox, workspace: Path) -> None:
    run = bbox.run("run", "--image", CODEX_IMAGE, "--", "sh", "-c", WRITES, cwd=workspace)
    assert run.code == 0, run.error
    session = bbox.sessions(workspace)[0]["id"]
    with bbox.terminal("review", cwd=workspace) as terminal:
        terminal.expect("file1")
        assert bbox.run("review", "--accept", "file7", cwd=workspace).code == 0
        os.kill(host_of(session), signal.SIGKILL)
        terminal.send("a\n")
        assert terminal.wait() == 1
        assert "bbox sessions" in terminal.screen
    check_workspace_is_untouched(workspace)
    flushed = bbox.run("flush", cwd=workspace)
    assert flushed.code == 0, flushed.error
    assert sorted(path.name for path in workspace.iterdir()) == ["file7", "many"]


@pytest.mark.parametrize("victim", ["host", "bbox-server"])
def test_a_kill_in_a_flush_leaves_every_file_old_or_new(
    bbox: Bbox, workspace: Path, victim: str
) -> None:
    for number in range(FLUSHED_FILES):
        (workspace / f"many/{number}").write_text("old\n")
    script = f"n=0; while [ $n -lt {FLUSHED_FILES} ]; do echo new >many/$n; n=$((n+1)); done"
    run = bbox.run("run", "--image", CODEX_IMAGE, "--", "sh", "-c", script, cwd=workspace)
    assert run.code == 0, run.error
    session = bbox.sessions(workspace)[0]["id"]
    assert bbox.run("review", "--accept-all", cwd=workspace).code == 0
    journals = bbox.session_directory(session) / "flush"
    with raw_client(SERVER, "--stdio", env=dict(bbox.env)) as client:
        client.initialize()
        plan = client.ask("bbox/flush/plan", {"session": session})["result"]
        apply = {"session": session, "planHash": plan["planHash"]}
        client.start("bbox/flush/apply", apply)
        wait_until(lambda: journals.is_dir() and any(journals.iterdir()), 30, "flushing")
        os.kill(client.process.pid if victim == "bbox-server" else host_of(session), signal.SIGKILL)
    contents = [(workspace / f"many/{n}").read_text() for n in range(FLUSHED_FILES)]
    assert set(contents) <= {"old\n", "new\n"}
    # Without its client a flush is finished; without its host it is recovered, then done again.
    wait_until(lambda: not running_in(bbox.home), 60, "let go")
    again = bbox.run("review", session, "--accept-all", "--flush", cwd=workspace)
    assert again.code == 0 or victim == "bbox-server", again.error
    contents = [(workspace / f"many/{n}").read_text() for n in range(FLUSHED_FILES)]
    assert set(contents) == {"new\n"}
    assert not [path for path in workspace.rglob("*") if path.name.startswith(".bbox")]


def follow_to_the_end(client: RawClient, session: str, typed: str) -> tuple[list[int], str]:
    """All events' numbers and all terminal output of a session, from its beginning."""
    one = {"session": session}
    opened = client.start("bbox/terminal/open", one)
    client.start("bbox/subscribe", {**one, "fromSeq": 1})
    seqs: list[int] = []
    shown, has_ended, is_over = b"", False, False
    while not (has_ended and is_over):
        message = client.read()
        assert "error" not in message, message
        params = message.get("params", {})
        if message.get("id") == opened and typed:
            terminal = {**one, "terminal": message["result"]["terminal"]}
            data = base64.b64encode(typed.encode()).decode()
            client.start("bbox/terminal/input", {**terminal, "data": data})
        match message.get("method"):
            case "bbox/event":
                seqs.append(params["seq"])
                state = params["fields"].get("state") if params["kind"] == "session.state" else None
                is_over = is_over or state in {"reviewing", "failed"}
            case "bbox/terminal/data":
                assert params["fromByte"] == len(shown)
                shown += base64.b64decode(params["data"])
            case "bbox/terminal/ended":
                has_ended = True
            case _:
                pass
    return seqs, shown.decode()


@pytest.mark.parametrize("phase", ["preparing", "starting", "running", "stopping"])
def test_a_session_outlives_a_killed_bbox_server(bbox: Bbox, workspace: Path, phase: str) -> None:
    said = "echo hello; read -r word; echo got-$word"
    agent = f"{WRITES}; {said if phase == 'running' else 'echo hello'}"
    with raw_client(SERVER, "--stdio", env=dict(bbox.env)) as client:
        client.initialize()
        params = {
            "workspaceUri": workspace.as_uri(),
            "image": CODEX_IMAGE,
            "args": ["sh", "-c", agent],
            "terminal": {"cols": 80, "rows": 24},
        }
        started = client.start("bbox/run", params)
        session, processes = wait_for_phase(bbox, phase, "host")
        if phase != "preparing":
            assert client.answer(started)["result"]["id"] == session
        os.kill(client.process.pid, signal.SIGKILL)
        client.process.wait()
    with raw_client(SERVER, "--stdio", env=dict(bbox.env)) as client:
        client.initialize()
        typed = "yes\n" if phase == "running" else ""
        seqs, shown = follow_to_the_end(client, session, typed)
    assert seqs == list(range(1, len(seqs) + 1))
    assert "hello" in shown
    assert ("got-yes" in shown) == (phase == "running")
    check_nothing_is_left(bbox, processes)
    flushed = bbox.run("review", "--accept-all", "--flush", cwd=workspace)
    assert flushed.code == 0, flushed.error
    assert len(list(workspace.glob("file*"))) == FILES
