# SPDX-License-Identifier: Apache-2.0
"""The guide's files are written, and its commands print what it says."""

import re
from pathlib import Path

import pytest

from tests.entrypoints.test_config_commands import Shell

PAGE = Path(__file__).parents[2] / "docs/guide/configuration.md"
BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    return Shell(root=tmp_path)


def test_the_guides_examples_are_true(shell: Shell) -> None:
    home = str(shell.root / "config")
    blocks = BLOCK.findall(PAGE.read_text())
    assert {kind for kind, _ in blocks} == {"yaml", "console"}
    for kind, text in blocks:
        if kind == "yaml":
            name = text.splitlines()[0].removeprefix("# ")
            path = Path(name.replace("~/.config", home))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        else:
            shown = played(shell, text.replace("~/.config", home))
            assert shown.replace(home, "~/.config") == text


def played(shell: Shell, text: str) -> str:
    """The commands of a block, each with what it printed."""
    shown = ""
    for line in re.findall(r"^\$ bbox (.*)$", text, re.MULTILINE):
        done = shell(*line.split())
        shown += f"$ bbox {line}\n{done.stdout}{done.stderr if done.returncode else ''}"
    return shown
