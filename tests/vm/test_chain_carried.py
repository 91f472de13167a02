# SPDX-License-Identifier: Apache-2.0
"""What of the user's machine is in a booted guest, and what isn't, and that nothing comes back."""

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.vm.bbox_command import Finished, own_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

KEY: Final = "sk-0123456789-the-host-alone-has-this"
ASKED: Final = "by-a-pattern"
FORBIDDEN: Final = "forbidden-in-the-guest"
CONFIG: Final = f"""\
model = "mine"
mcp_servers = {{ x = {{ command = "{FORBIDDEN}" }} }}
[tui]
theme = "dark"
api_key = "{FORBIDDEN}"
[features]
plugins = true
"""
# Lists the home and the environment, and then does to the settings what an agent must not do.
LOOK: Final = f"""
cd; env | sort >/workspace/env
find . -type f | sort >/workspace/names
cp .codex/config.toml .codex/AGENTS.md /workspace/
stat -c '%a %U' .agents/skills/s/run.sh .codex/AGENTS.md >/workspace/modes
grep -rl {FORBIDDEN} . /run/bbox 2>/dev/null >/workspace/found
echo planted >.codex/AGENTS.md; echo planted >.agents/skills/s/run.sh; echo planted >.codex/new.md
"""


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A run: the user's home after it, and what the guest wrote."""

    home: Path
    seen: Path
    ran: Finished
    planned: dict[str, object]

    def lines(self, name: str) -> list[str]:
        return (self.seen / name).read_text().splitlines()

    def variables(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.lines("env") if "=" in line)


def make_home(home: Path) -> None:
    for name, content in {
        ".codex/config.toml": CONFIG,
        ".codex/AGENTS.md": "be brief\n",
        ".codex/auth.json": FORBIDDEN,
        ".codex/history.jsonl": FORBIDDEN,
        ".agents/skills/s/run.sh": "#!/bin/sh\n",
        ".agents/skills/s/.env": FORBIDDEN,
        ".ssh/id_ed25519": FORBIDDEN,
    }.items():
        place = home / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    (home / ".agents/skills/s/run.sh").chmod(0o755)
    (home / ".agents/skills/s/link").symlink_to(home / ".ssh/id_ed25519")


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    home, workspace = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("work")
    make_home(home)
    environ = {
        "HOME": str(home),
        "OPENAI_API_KEY": KEY,
        "GH_TOKEN": FORBIDDEN,
        "MINE_TOKEN": ASKED,
        "MINE_TEXT": "two\nlines",
        "MINE.BAD": FORBIDDEN,
        "BBOX_HOME": FORBIDDEN,
        "UNASKED": FORBIDDEN,
    }
    words = ("codex", "--env-forward", "MINE*,GH_*,BBOX_*,OPENAI_API_KEY", "--exec", "sh")
    with own_bbox(environ) as bbox:
        planned = bbox.run(*words, "--dry-run", "--json", cwd=workspace)
        assert planned.code == 0, planned.error
        ran = bbox.run(*words, "--", "-c", LOOK, cwd=workspace)
        assert ran.code == 0, ran.error
        directory = bbox.session_directory(bbox.sessions(workspace)[0]["id"])
        yield Carried(
            home=home, seen=directory / "upper/u", ran=ran, planned=json.loads(planned.out)
        )


def test_settings_arrive_and_bboxs_own_stand_above_them(carried: Carried) -> None:
    config = tomllib.loads((carried.seen / "config.toml").read_text())
    assert (config["model"], config["tui"]) == ("mine", {"theme": "dark"})
    assert config["model_provider"] == "bbox"
    assert config["features"]["plugins"] is False
    assert (carried.seen / "AGENTS.md").read_text() == "be brief\n"


def test_files_keep_no_more_of_their_mode_than_that_they_run(carried: Carried) -> None:
    assert carried.lines("modes") == ["700 sandbox", "600 sandbox"]


def test_nothing_else_of_the_home_is_there(carried: Carried) -> None:
    names = carried.lines("names")
    assert {name for name in names if name.startswith(("./.codex/", "./.agents/", "./.ssh/"))} == {
        "./.codex/config.toml",
        "./.codex/AGENTS.md",
        "./.agents/skills/s/run.sh",
    }
    assert carried.lines("found") == []
    assert FORBIDDEN not in (carried.seen / "env").read_text()


def test_variables_arrive_by_pattern_and_no_key_and_no_token(carried: Carried) -> None:
    variables = carried.variables()
    assert variables["MINE_TOKEN"] == ASKED
    assert variables["MINE_TEXT"] == "two"  # its second line is the next of `env`
    assert variables["OPENAI_API_KEY"] != KEY
    assert not {"GH_TOKEN", "MINE.BAD", "UNASKED"} & variables.keys()
    assert (variables["BBOX_HOME"], variables["BBOX_WORKSPACE"]) == ("/home/sandbox", "/workspace")
    assert variables["BBOX_AGENT_NAME"] == "codex"
    assert variables["GIT_TERMINAL_PROMPT"] == "0"


def test_what_is_and_what_is_not_carried_is_said_at_the_start(carried: Carried) -> None:
    said = carried.ran.error
    assert "The agent can read these secrets of yours: MINE_TOKEN" in said
    for name in ("MINE.BAD", "GH_TOKEN", "BBOX_HOME", "OPENAI_API_KEY"):
        assert f"{name} is not carried: " in said
    assert "Not carried: ~/.agents/skills/s/link: link is a symbolic link" in said
    assert "Not carried: ~/.agents/skills/s/.env: it may hold a secret" in said


def test_a_dry_run_has_named_the_same(carried: Carried) -> None:
    files = carried.planned["files"]
    assert isinstance(files, list)
    planned = {file["path"].replace("~", ".", 1) for file in files}
    assert planned <= set(carried.lines("names"))
    environment = carried.planned["environment"]
    assert isinstance(environment, dict)
    assert set(environment["carried"]) | set(environment["setByBbox"]) <= carried.variables().keys()


def test_what_the_guest_does_to_its_copies_does_not_come_back(carried: Carried) -> None:
    assert (carried.home / ".codex/AGENTS.md").read_text() == "be brief\n"
    assert (carried.home / ".agents/skills/s/run.sh").read_text() == "#!/bin/sh\n"
    assert not (carried.home / ".codex/new.md").exists()
