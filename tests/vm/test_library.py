# SPDX-License-Identifier: Apache-2.0
"""The programs of docs/library.md, as they stand there, in real microVMs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vm.bbox_command import Bbox, make_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

PAGE = (Path(__file__).parents[2] / "docs/library.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def bbox(sandbox_dir: Path) -> Bbox:
    return make_bbox(sandbox_dir, {})


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    directory = tmp_path / "w"
    directory.mkdir()
    (directory / "old.txt").write_text("old\n")
    return directory


def play(program: str, bbox: Bbox, workspace: Path) -> str:
    path = workspace.parent / "program.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, path],
        cwd=workspace,
        env=bbox.env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_each_program_of_the_page_is_played_here() -> None:
    assert len(PROGRAMS) == 3


def test_what_is_accepted_is_applied(bbox: Bbox, workspace: Path) -> None:
    said = play(PROGRAMS[0], bbox, workspace).splitlines()
    assert said == ["works", "added made.txt", "deleted old.txt", "written: made.txt"]
    assert sorted(path.name for path in workspace.iterdir()) == ["made.txt", "old.txt"]


def test_a_reviewer_decides_on_hunks(bbox: Bbox, workspace: Path) -> None:
    letters = "\n".join("abcdefghijklmnopqrstuvwxyz") + "\n"
    (workspace / "letters.txt").write_text(letters)
    states = play(PROGRAMS[1], bbox, workspace).splitlines()
    assert [states[0], states[-1]] == ["now preparing", "now reviewing"]
    assert "now running" in states
    assert (workspace / "letters.txt").read_text() == letters.replace("a\n", "good\n", 1)


def test_a_guest_asks_a_service_of_the_host(bbox: Bbox, workspace: Path) -> None:
    said = play(PROGRAMS[2], bbox, workspace).splitlines()
    assert said == ["ticket 7: sort the letters", "code 0"]
