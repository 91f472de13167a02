# SPDX-License-Identifier: Apache-2.0
"""A project that others wrote: its published source, changed by Codex, reviewed and flushed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from demo.__main__ import HERE, KEY, PROMPT
from demo.mock_model import MockModel
from demo.script import load_script
from tests.vm.bbox_command import make_bbox, make_repository

pytestmark = [pytest.mark.vm, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SDIST = "iniconfig==2.0.0"


@pytest.fixture(scope="module")
def sdist() -> Path:
    """The source distribution of a published project, kept in the tree's cache."""
    cache = ROOT / ".cache/sdists"
    name, _, version = SDIST.partition("==")
    found = list(cache.glob(f"{name}-{version}.tar.gz"))
    if not found:
        pip = ROOT / ".cache/uv/bin/pip"
        words = ["download", "--quiet", "--no-deps", "--no-binary", name, "--dest", str(cache)]
        subprocess.run([pip, *words, SDIST], check=True, timeout=120)
        found = list(cache.glob(f"{name}-{version}.tar.gz"))
    return found[0]


def test_a_published_project_is_changed_reviewed_and_flushed(
    sandbox_dir: Path, tmp_path: Path, sdist: Path
) -> None:
    shutil.unpack_archive(sdist, tmp_path)
    project = next(tmp_path.iterdir())
    shutil.rmtree(project / ".git", ignore_errors=True)
    make_repository(project)
    before = (project / "PKG-INFO").read_text().splitlines()
    with MockModel(load_script(HERE / "scripts" / "sdist.json"), key=KEY) as model:
        bbox = make_bbox(sandbox_dir, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})
        ran = bbox.run("codex", "--", "exec", PROMPT, cwd=project)
        assert ran.code == 0, ran.error
        assert "Done: two files edited" in ran.out
    # the first and the last of three edits
    words = ["review", "--accept", "PKG-INFO#1", "--accept", "PKG-INFO#3", "--reject", "PKG-INFO#2"]
    assert bbox.run(*words, "--accept-all", "--build-files", "--flush", cwd=project).code == 0
    after = (project / "PKG-INFO").read_text().splitlines()
    assert after == [*before[:2], "# agent: near the top", *before[2:], "# agent: at the end"]
    assert (project / "AGENT-NOTES.md").exists()
    assert not (project / ".vscode").exists()
    assert not (project / "dist").exists()
