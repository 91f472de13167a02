# SPDX-License-Identifier: Apache-2.0
"""Whatever dies while the agent works: its work is there, and nothing else is left."""

import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Bbox, Terminal, make_bbox
from tests.vm.session_processes import (
    mounts_of,
    of_kind,
    of_session,
    running_in,
    still_there,
    wait_until,
)

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

# One file after the other, each whole before the next; a line on the terminal ends it.
WRITER: Final = """
n=0
while ! read -r -t 0.05 _; do n=$((n + 1)); echo "content $n" > "file$n"; done
echo "wrote $n"
"""
# The same without a terminal to end it from.
ENDLESS: Final = """
n=0
while sleep 0.05; do n=$((n + 1)); echo "content $n" > "file$n"; done
"""
FIRST_FILES: Final = 5
UNREACHABLE: Final = "http://127.0.0.1:9/v1"


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    key = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": UNREACHABLE}
    return make_bbox(sandbox_dir, key)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "kept").write_text("the user's\n")
    return directory


@contextmanager
def writing(bbox: Bbox, workspace: Path) -> Iterator[tuple[Terminal, Path, dict[int, bytes]]]:
    """An agent with a credential proxy that writes files: its terminal, upper and processes."""
    words = ("codex", "--exec", "bash", "--", "-c", WRITER)
    with bbox.terminal(*words, cwd=workspace) as terminal:
        terminal.expect("MicroVM is up", timeout_s=90)
        session = bbox.sessions(workspace)[0]["id"]
        upper = bbox.session_directory(session) / "upper/u"
        wait_until(
            lambda: terminal.process.poll() is not None or (upper / f"file{FIRST_FILES}").exists(),
            60,
            "written",
        )
        yield terminal, upper, of_session(session)


def wait_for_work(bbox: Bbox, workspace: Path) -> str:
    """The session, once some files are in its `u`."""
    wait_until(lambda: bbox.sessions(workspace), 60, "begun")
    session: str = bbox.sessions(workspace)[0]["id"]
    upper = bbox.session_directory(session) / "upper/u"
    wait_until((upper / f"file{FIRST_FILES}").exists, 90, "written")
    return session


def end_writing(terminal: Terminal) -> None:
    """Type a line. bash loses one that comes as its timed read runs out: then once more."""
    for _ in range(10):
        terminal.send("\r")
        if terminal.shows("wrote", timeout_s=5):
            return
    raise AssertionError(terminal.screen)


def check_work_is_kept(bbox: Bbox, workspace: Path) -> None:
    """The session waits for review; all that is on the host's disk reaches the workspace."""
    record = bbox.sessions(workspace)[0]
    upper = bbox.session_directory(record["id"]) / "upper/u"
    written = {path.name: path.read_bytes() for path in upper.iterdir()}
    assert len(written) >= FIRST_FILES
    assert re.search(rf"{record['id']}\s+review", bbox.run("sessions", cwd=workspace).out)
    flushed = bbox.run("review", "--accept-all", "--flush", cwd=workspace)
    assert flushed.code == 0, flushed.error
    found = {path.name: path.read_bytes() for path in workspace.iterdir()}
    assert found == {**written, "kept": b"the user's\n"}
    whole = [
        name for name, content in written.items() if content == f"content {name[4:]}\n".encode()
    ]
    assert len(whole) >= len(written) - 1  # the last one may be cut short


def check_nothing_is_left(bbox: Bbox, processes: dict[int, bytes]) -> None:
    wait_until(lambda: not still_there(processes), 10, "all gone")
    wait_until(lambda: not running_in(bbox.home), 10, "let go")
    assert mounts_of(bbox.home) == []


def test_a_killed_host_leaves_no_process_and_all_work(bbox: Bbox, workspace: Path) -> None:
    with writing(bbox, workspace) as (terminal, _, processes):
        kinds = ("host", "qemu", "virtiofsd", "relay", "proxy")
        assert all(of_kind(processes, kind) for kind in kinds)
        os.kill(of_kind(processes, "host")[0], signal.SIGKILL)
        assert terminal.wait() == 1
        assert "The agent's files are kept" in terminal.screen
        check_nothing_is_left(bbox, processes)
    check_work_is_kept(bbox, workspace)


@pytest.mark.parametrize("daemon", ["qemu", "virtiofsd"])
def test_without_its_vm_a_run_ends_and_says_so(bbox: Bbox, workspace: Path, daemon: str) -> None:
    with writing(bbox, workspace) as (terminal, _, processes):
        raw = terminal.settings()
        os.kill(of_kind(processes, daemon)[0], signal.SIGKILL)
        assert terminal.wait() == 1
        assert terminal.settings() != raw
        assert "The connection to the guest ended." in terminal.screen
        assert "changes are kept" in terminal.screen
        check_nothing_is_left(bbox, processes)
    check_work_is_kept(bbox, workspace)


def test_without_its_network_and_its_provider_an_agent_goes_on(bbox: Bbox, workspace: Path) -> None:
    with writing(bbox, workspace) as (terminal, upper, processes):
        for kind in ("relay", "proxy"):
            os.kill(of_kind(processes, kind)[0], signal.SIGKILL)
        seen = len(list(upper.iterdir()))
        wait_until(lambda: len(list(upper.iterdir())) > seen + FIRST_FILES, 30, "going on")
        end_writing(terminal)
        terminal.expect("The guest has no network any more|The agent has lost its provider")
        terminal.expect("The guest has no network any more|The agent has lost its provider")
        terminal.expect("Apply all ordinary changes, review, or later")
        terminal.send("l\n")
        assert terminal.wait() == 0
        check_nothing_is_left(bbox, processes)
    events = bbox.run("logs", "--json", cwd=workspace).out.splitlines()
    warnings = [event for event in map(json.loads, events) if event["kind"] == "warning"]
    assert len(warnings) == 2
    check_work_is_kept(bbox, workspace)


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP", "closed window"])
def test_an_agent_outlives_the_terminal_it_was_started_from(
    bbox: Bbox, workspace: Path, end: str
) -> None:
    words = ("run", "--image", CODEX_IMAGE, "--", "bash", "-c", WRITER)
    with bbox.terminal(*words, cwd=workspace) as terminal:
        before = terminal.settings()
        terminal.expect("MicroVM is up", timeout_s=90)
        session = wait_for_work(bbox, workspace)
        processes = of_session(session)
        assert terminal.settings() != before  # raw while the agent has it
        if end == "closed window":
            terminal.hang_up()
            assert terminal.process.wait(timeout=30) == 128 + signal.SIGHUP
        else:
            terminal.process.send_signal(signal.Signals[end])
            assert terminal.wait(30) == 128 + signal.Signals[end]
            assert terminal.settings() == before
            assert f"bbox attach {session}" in terminal.screen
    assert of_kind(still_there(processes), "qemu")
    assert bbox.run("stop", cwd=workspace).code == 0
    check_nothing_is_left(bbox, processes)
    assert "BBOX off" in bbox.run("logs", "--console", cwd=workspace).out
    check_work_is_kept(bbox, workspace)


def test_a_run_without_a_terminal_ends_with_its_bbox(bbox: Bbox, workspace: Path) -> None:
    words = ("run", "--image", CODEX_IMAGE, "--", "bash", "-c", ENDLESS)
    with bbox.start(*words, cwd=workspace) as process:
        processes = of_session(wait_for_work(bbox, workspace))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
        check_nothing_is_left(bbox, processes)
    assert "BBOX off" in bbox.run("logs", "--console", cwd=workspace).out
    check_work_is_kept(bbox, workspace)
