# SPDX-License-Identifier: Apache-2.0
"""Which versions of agents are taken, and how the pins' file changes."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from images.pins import PINS, BuildError
from images.upgrade import aged, newest, rewritten

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 20, tzinfo=UTC)
OLD, NEW = "2026-11-01T00:00:00.000Z", "2026-11-18T00:00:00.000Z"


def test_only_plain_versions_of_the_right_kind_that_are_old_enough_count() -> None:
    times = {
        "created": OLD,
        "modified": NEW,
        "1.2.0-linux-x64": OLD,
        "1.3.0-linux-x64": NEW,
        "1.2.0": OLD,
        "1.4.0-linux-arm64": OLD,
        "1.5.0-beta.1-linux-x64": OLD,
    }
    assert aged(times, "-linux-x64", NOW) == {"1.2.0"}
    assert aged(times, "", NOW) == {"1.2.0"}


def test_versions_are_numbers() -> None:
    assert newest(["0.9.0", "0.10.0", "0.2.11"]) == "0.10.0"
    assert newest([]) == ""


def test_an_agents_block_changes_and_nothing_else() -> None:
    text = PINS.read_text()
    version = re.findall(r"^codex:\n  version: (\S+)$", text, re.MULTILINE)[0]
    changed = rewritten(text, "codex", {f"version: {version}": "version: 9.9.9"})
    assert "codex:\n  version: 9.9.9\n" in changed
    assert changed.replace("version: 9.9.9", f"version: {version}") == text


@pytest.mark.parametrize(("agent", "old"), [("nobody", "version"), ("codex", "no such text")])
def test_what_is_not_there_is_not_rewritten(agent: str, old: str) -> None:
    with pytest.raises(BuildError):
        rewritten(PINS.read_text(), agent, {old: "new"})


def test_make_starts_no_module_that_is_not_there() -> None:
    modules = re.findall(
        r"\$\(PYTHON\) -m ([a-z_.]*[a-z_])(?![a-z_.$])", (ROOT / "Makefile").read_text()
    )
    missing = [
        name
        for name in modules
        if (ROOT / name.partition(".")[0]).is_dir()
        and not (ROOT / f"{name.replace('.', '/')}.py").is_file()
        and not (ROOT / name.replace(".", "/") / "__main__.py").is_file()
    ]
    assert missing == []
    assert "images.upgrade" in modules
