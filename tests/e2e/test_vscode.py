# SPDX-License-Identifier: Apache-2.0
"""The packed extension in VS Code itself, with a real agent in a real microVM."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.__main__ import KEY, make_project
from demo.mock_model import MockModel
from demo.script import load_script
from tests.e2e.code_server import ROOT, code_server, drive, install_editor, pack_extension
from tests.vm.bbox_command import Bbox, make_bbox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]

PROMPT = "Cents get lost in tally. Keep amounts exact."


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    install_editor()
    pack_extension()


@pytest.fixture
def model() -> Iterator[MockModel]:
    script = load_script(ROOT / "demo/scripts/demo.json")
    with MockModel(script, key=KEY, pace_s=0.1) as served:
        yield served


@pytest.fixture
def bbox(sandbox_dir: Path, model: MockModel) -> Iterator[Bbox]:
    made = make_bbox(sandbox_dir, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})
    yield made
    # A session outlives its editor.
    for session in made.sessions(sandbox_dir):
        made.run("stop", session["id"], cwd=sandbox_dir)


def test_an_agents_work_is_reviewed_in_diffs_and_applied(bbox: Bbox, tmp_path: Path) -> None:
    project = tmp_path / "tally"
    make_project(project)
    shots = tmp_path / "shots"
    shots.mkdir()
    chromium = shutil.which("chromium")
    assert chromium is not None
    with code_server(bbox.home, bbox.env) as url:
        shown = drive(
            "review.mjs",
            {
                "URL": f"{url}/?folder={project}",
                "SHOTS": os.environ.get("BBOX_SHOTS", str(shots)),
                "CHROMIUM": chromium,
                "PROMPT": PROMPT,
            },
            timeout_s=900,
        )
    print(shown)  # noqa: T201 (pytest shows it when the test fails)
    money = (project / "src/tally/money.py").read_text()
    assert "amount: Decimal" in money  # the hunk that was accepted
    assert "Money(float(plain))" in money  # the hunk that was rejected
    assert 'f"{money.amount:.2f}"' in money  # the hunk that was left open
    assert (project / "tests/test_money.py").exists()
    changed = subprocess.run(
        ["git", "status", "--short"], cwd=project, capture_output=True, text=True, check=True
    )
    assert changed.stdout.split("\n")[:-1] == [" M src/tally/money.py", "?? tests/test_money.py"]
