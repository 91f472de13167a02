# SPDX-License-Identifier: Apache-2.0
"""The Neovim recipe, as docs/editors/neovim.md has it, with a real agent in a real microVM."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.__main__ import KEY, make_project
from demo.mock_model import MockModel
from demo.script import load_script
from tests.vm.bbox_command import Bbox, make_bbox

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent / "neovim"
BIN = Path(sys.executable).parent
# A mistake in the scenario must not leave Neovim waiting for a user.
SCENARIO = f"""\
lua local done, why = pcall(dofile, "{HERE / "review.lua"}")
if not done then io.stdout:write(why) vim.cmd("cquit 1") end""".replace("\n", " ")
PROMPT = "Cents get lost in tally. Keep amounts exact."

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture
def model() -> Iterator[MockModel]:
    with MockModel(load_script(ROOT / "demo/scripts/demo.json"), key=KEY) as served:
        yield served


@pytest.fixture
def bbox(sandbox_dir: Path, model: MockModel) -> Iterator[Bbox]:
    made = make_bbox(sandbox_dir, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})
    yield made
    # A session outlives its editor.
    for session in made.sessions(sandbox_dir):
        made.run("stop", session["id"], cwd=sandbox_dir)


def recipe(directory: Path) -> Path:
    """The recipe's code, as a reader copies it."""
    page = (ROOT / "docs/editors/neovim.md").read_text()
    blocks = re.findall(r"^```lua\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    path = directory / "bbox.lua"
    path.write_text(blocks[0])
    return path


def test_the_recipe_runs_an_agent_and_reviews_and_applies(bbox: Bbox, tmp_path: Path) -> None:
    project = tmp_path / "tally"
    make_project(project)
    done = subprocess.run(
        ["nvim", "--headless", "-u", "NONE", "-c", SCENARIO],
        cwd=project,
        env={
            **bbox.env,
            "PATH": f"{BIN}:{bbox.env['PATH']}",
            "BBOX_RECIPE": str(recipe(tmp_path)),
            "BBOX_PROMPT": PROMPT,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert "done" in done.stdout
    money = (project / "src/tally/money.py").read_text()
    assert "from decimal import" in money  # the hunk that was accepted
    assert "Money(float(plain))" in money  # the hunk that was rejected, or left open
    assert (project / "tests/test_money.py").exists()
    changed = subprocess.run(
        ["git", "status", "--short"], cwd=project, capture_output=True, text=True, check=True
    )
    assert changed.stdout.split("\n")[:-1] == [" M src/tally/money.py", "?? tests/test_money.py"]
