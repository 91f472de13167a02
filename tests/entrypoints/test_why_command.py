# SPDX-License-Identifier: Apache-2.0
"""`bbox why` as a user types it, in a directory of theirs."""

import json
import os
import subprocess
from pathlib import Path

import pytest

BBOX = Path(__file__).parents[2] / ".venv" / "bin" / "bbox"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "sub").mkdir(parents=True)
    (place / ".broodboxignore").write_text("# mine\n*.tmp\n")
    (place / "outside").symlink_to(tmp_path)
    (place / "link").symlink_to("sub")
    return place


def why(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(place.parent)}
    return subprocess.run(
        (BBOX, "why", *words), cwd=place, env=environ, capture_output=True, text=True, check=False
    )


def test_file_line_and_pattern_are_named(project: Path) -> None:
    said = why(project, "a.tmp", "sub/b.c").stdout.splitlines()
    assert said == [
        "a.tmp: hidden from the guest by .broodboxignore, line 2: *.tmp",
        "sub/b.c: nothing hides it",
    ]


def test_paths_are_those_of_the_directory_where_it_is_typed(project: Path) -> None:
    said = why(project / "sub", "--workspace", "..", "../link", "x.tmp", "./.env").stdout
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "link",
        "sub/x.tmp",
        "sub/.env",
    ]


def test_patterns_of_the_config_are_named_as_such(project: Path) -> None:
    (project / "mine.yaml").write_text("review: {exclude_patterns: ['*.cfg']}\n")
    said = why(project, "--config", "mine.yaml", "a.cfg").stdout
    assert said == "a.cfg: hidden from the guest by review.exclude_patterns: *.cfg\n"


def test_json_has_the_tier_and_the_place(project: Path) -> None:
    found = json.loads(why(project, "a.tmp", "node_modules/", "--json").stdout)["paths"]
    assert found[0]["hiddenBy"] == {
        "tier": "user",
        "pattern": "*.tmp",
        "source": ".broodboxignore",
        "line": 2,
    }
    assert found[1]["hiddenBy"] == {"tier": "performance", "pattern": "node_modules/"}


@pytest.mark.parametrize("path", ["..", "../x", "/etc/passwd", "outside/x", ".", "sub/.."])
def test_paths_outside_of_the_workspace_are_refused(project: Path, path: str) -> None:
    done = why(project, path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "path.outside" in done.stderr


def test_control_characters_of_a_name_are_shown_escaped(project: Path) -> None:
    assert "\x1b" not in why(project, "\x1b[31mred").stdout
