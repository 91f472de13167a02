# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/guide/carried.md. They start no guest, but need its image."""

from pathlib import Path

import pytest

from tests.vm.bbox_command import make_bbox
from tests.vm.guide_page import run_page

pytestmark = [pytest.mark.vm, pytest.mark.timeout(120)]

HOME = {
    ".codex/config.toml": (
        'model = "m"\n[mcp_servers.x]\nurl = "u"\n[profiles.work]\napi_key = "secret"\n'
    ),
    ".codex/AGENTS.md": "be brief.\n",
}
PROJECT = {
    ".broodboxignore": "# what the agent needs not see\n*.tmp\n",
    ".gitignore": "*.log\n",
    ".env": "TOKEN=1\n",
    "src/tally.py": "print(1)\n",
    "node_modules/left-pad/index.js": "\n",
}


def make(place: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content)
    return place


def test_the_guide_shows_what_happens(sandbox_dir: Path) -> None:
    home = make(sandbox_dir / "home", HOME)
    (home / ".codex/prompts").mkdir()
    (home / ".codex/prompts/link.md").symlink_to("../AGENTS.md")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.invalid\n")
    environ = {
        "HOME": str(home),
        "OPENAI_API_KEY": "the-host-alone-has-this",
        "DEPLOY_ENV": "staging",
        "DEPLOY_TOKEN": "hush",
    }
    bbox = make_bbox(sandbox_dir, environ)
    project = make(sandbox_dir / "tally", PROJECT)
    assert run_page("docs/guide/carried.md", project, bbox.env) == ""
