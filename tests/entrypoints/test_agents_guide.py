# SPDX-License-Identifier: Apache-2.0
"""The page about agents: its commands are run."""

from pathlib import Path

from tests.entrypoints.test_config_commands import Shell, shell
from tests.entrypoints.test_configuration_guide import BLOCK, played

__all__ = ["shell"]

PAGE = (Path(__file__).parents[2] / "docs/guide/agents.md").read_text()


def test_the_guides_examples_are_true(shell: Shell) -> None:
    home = str(shell.root / "config")
    blocks = [text for _, text in BLOCK.findall(PAGE)]
    assert len(blocks) == 6
    for text in blocks:
        if "agents import" in text:
            (shell.workspace / "acme.yaml").write_text(shell("agents", "export", "acme").stdout)
        assert played(shell, text).replace(home, "~/.config") == text
