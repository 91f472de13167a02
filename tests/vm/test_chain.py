# SPDX-License-Identifier: Apache-2.0
"""The whole chain with its real parts: bbox, Codex, the microVM, the review, the flush."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.__main__ import HERE, KEY, PROMPT, make_project
from demo.mock_model import MockModel
from demo.script import load_script
from tests.vm.bbox_command import Bbox, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]


@pytest.fixture
def model() -> Iterator[MockModel]:
    with MockModel(load_script(HERE / "scripts" / "demo.json"), key=KEY) as model:
        yield model


@pytest.fixture
def bbox(sandbox_dir: Path, model: MockModel) -> Bbox:
    return make_bbox(sandbox_dir, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "tally"
    make_project(directory)
    return directory


def test_a_user_reviews_codex_hunk_by_hunk_and_applies(
    bbox: Bbox, project: Path, model: MockModel
) -> None:
    before = (project / "src/tally/money.py").read_text()
    with bbox.terminal("codex", "--", "exec", PROMPT, cwd=project) as terminal:
        terminal.expect("Starting the microVM")
        terminal.expect("Done. Amounts are decimals now", timeout_s=120)
        terminal.expect("Apply all ordinary changes, review, or later")
        terminal.send("r\n")
        terminal.expect(r"Apply scripts/report.sh\?")
        terminal.send("y\n")
        terminal.expect(r"Apply src/tally/legacy_import.py\?")
        terminal.send("n\n")
        terminal.expect(r"Apply src/tally/money.py\?")
        terminal.send("h\n")
        terminal.expect("Apply hunk 1 of 3")
        terminal.send("y\n")
        terminal.expect("Apply hunk 2 of 3")
        terminal.send("y\n")
        terminal.expect("Apply hunk 3 of 3")
        terminal.send("n\n")
        terminal.expect(r"Apply src/tally/report.py\?")
        terminal.send("a\n")
        terminal.expect(r"Apply .vscode/tasks.json\?")
        terminal.send("n\n")
        terminal.expect("Apply this to the workspace now")
        terminal.send("y\n")
        terminal.expect("Applied 5 paths")
        assert terminal.wait() == 0

    money = (project / "src/tally/money.py").read_text()
    assert "Money(Decimal(0))" in money
    assert "except InvalidOperation" in money
    assert money.splitlines()[-1] == before.splitlines()[-1]  # the hunk that was refused
    assert (project / "scripts/report.sh").stat().st_mode & 0o111
    assert (project / "src/tally/legacy_import.py").exists()
    assert (project / "tests/test_money.py").exists()
    assert not (project / ".vscode").exists()
    assert not (project / "dist").exists()
    assert all(request.is_authorized for request in model.requests)
    assert bbox.sessions(project)[0]["state"] == "done"


def test_without_a_terminal_the_session_waits_and_scripts_decide(bbox: Bbox, project: Path) -> None:
    ran = bbox.run("codex", "--", "exec", PROMPT, cwd=project)
    assert ran.code == 0, ran.error
    assert "bbox review" in ran.error
    assert _git_status(project) == ""  # nothing reaches the workspace before it is accepted
    assert "BBOX off" in bbox.run("logs", "--console", cwd=project).out  # stopped, not killed

    decided = bbox.run(
        "review", "--accept", "src/tally/money.py#1", "--accept", "tests/test_money.py",
        "--flush", cwd=project,
    )  # fmt: skip
    assert decided.code == 0, decided.error
    assert "M src/tally/money.py" in _git_status(project)
    assert "?? tests/test_money.py" in _git_status(project)
    assert "Decimal(0)" not in (project / "src/tally/money.py").read_text().split("def parse")[1]

    assert bbox.run("undo", cwd=project).code == 0
    assert _git_status(project) == ""

    every = bbox.run("review", "--accept-all", "--flush", cwd=project)
    assert "these run on your machine by themselves: .vscode/tasks.json" in every.error
    assert not (project / ".vscode").exists()
    alone = bbox.run("review", "--accept", ".vscode/tasks.json", "--flush", cwd=project)
    assert alone.code == 0, alone.error
    assert (project / ".vscode/tasks.json").exists()
    tests = subprocess.run(
        ["python3", "-m", "unittest", "discover", "tests"],
        cwd=project, capture_output=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stderr.decode()


def _git_status(project: Path) -> str:
    return subprocess.run(
        ["git", "status", "--short"], cwd=project, capture_output=True, text=True, check=True
    ).stdout.strip()
