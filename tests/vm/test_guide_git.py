# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/guide/git.md."""

import subprocess
from pathlib import Path

import pytest

from tests.vm.bbox_command import make_bbox
from tests.vm.guide_page import run_page

pytestmark = [pytest.mark.vm, pytest.mark.timeout(240)]


def test_the_guide_shows_what_happens(sandbox_dir: Path) -> None:
    config = sandbox_dir / "gitconfig"
    config.write_text("[user]\n\tname = Ada\n\temail = ada@example.invalid\n")
    bbox = make_bbox(sandbox_dir, {"GIT_CONFIG_GLOBAL": str(config)})
    project = sandbox_dir / "list"
    project.mkdir()
    (project / "list.txt").write_text("one\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "Start")):
        subprocess.run(("git", *words), cwd=project, env=bbox.env, check=True)
    assert run_page("docs/guide/git.md", project, bbox.env) == ""
