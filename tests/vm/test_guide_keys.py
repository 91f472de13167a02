# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/guide/keys.md that need an image, and no guest."""

from pathlib import Path

import pytest

from tests.vm.bbox_command import make_bbox
from tests.vm.guide_page import run_page

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]


def test_the_guide_shows_what_happens(sandbox_dir: Path) -> None:
    env = {"OPENAI_API_KEY": "", "CODEX_API_KEY": "", "HOME": str(sandbox_dir)}
    project = sandbox_dir / "project"
    project.mkdir()
    bbox = make_bbox(sandbox_dir, env)
    assert run_page("docs/guide/keys.md", project, bbox.env, about="auth.json") == ""
