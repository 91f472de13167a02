# SPDX-License-Identifier: Apache-2.0
"""`bbox config` and `bbox trust`, as a user runs them."""

import io
import json
import os
import stat
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import override

from bbox_server.bootstrap.composition import Composition
from bbox_server.domain.config.listing import listed
from bbox_server.domain.config.problem import Layer
from bbox_server.entrypoints.cli.commands import run_command
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.main import main
from bbox_server.entrypoints.cli.style import Style
from bbox_server.entrypoints.cli.trust_command import ask_once
from bbox_server.infra.config.decode import decode_config

BBOX = str(Path(sys.executable).with_name("bbox"))


class Terminal(io.StringIO):
    """A terminal's side of a stream."""

    @override
    def isatty(self) -> bool:
        return True


def streams(typed: str | None) -> tuple[Console, io.StringIO, io.StringIO]:
    """A console, with its output and its errors."""
    stream = io.StringIO if typed is None else Terminal
    out, error = stream(), stream()
    typed_input = stream(typed or "")
    console = Console(out=out, error=error, input=typed_input, style=Style(colour=False))
    return console, out, error


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a command left."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A home and a workspace of a user's; commands run in the workspace."""

    root: Path

    @property
    def user_file(self) -> Path:
        return self.root / "config/broodbox/config.yaml"

    @property
    def workspace(self) -> Path:
        return self.root / "w"

    @property
    def environment(self) -> dict[str, str]:
        places = ("config_home", "state_home", "cache_home", "runtime_dir")
        xdg = {f"XDG_{name.upper()}": str(self.root / name.partition("_")[0]) for name in places}
        return {"PATH": os.environ["PATH"], "HOME": str(self.root), **xdg}

    def write(self, mine: str = "", theirs: str = "") -> None:
        self.user_file.parent.mkdir(parents=True, exist_ok=True)
        self.user_file.write_text(mine)
        (self.workspace / ".broodbox.yaml").write_text(theirs)

    def __call__(self, *words: str, typed: str | None = None) -> Done:
        """The command in this process; what is typed is on a terminal."""
        console, out, error = streams(typed)
        composition = Composition(environ=self.environment)
        code = main(
            words,
            version=lambda: "bbox 1",
            start_host=lambda: composition.gateway().start(),
            run=lambda line, shown, host: run_command(line, composition.services(), shown, host),
            console=console,
        )
        return Done(returncode=code, stdout=out.getvalue(), stderr=error.getvalue())

    def starts_a_run(self, *, typed: str | None) -> str:
        """What is asked before a run; what is typed is on a terminal."""
        console, out, _ = streams(typed)
        values = Namespace(workspace=None, config=None)
        ask_once(values, Composition(environ=self.environment).services(), console)
        return out.getvalue()

    def spawn(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """The command as a process of its own."""
        return subprocess.run(
            [BBOX, *words],
            cwd=self.workspace,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def settings(self) -> dict[str, Any]:
        found = json.loads(self("config", "show", "--json").stdout)
        return {one["key"]: (one["value"], one["layer"]) for one in found["settings"]}


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    return Shell(root=tmp_path)


def test_init_writes_a_file_that_means_nothing_until_it_is_edited(shell: Shell) -> None:
    done = shell("config", "init")
    assert done.stdout == f"Config written to {shell.user_file}\n"
    assert stat.S_IMODE(shell.user_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(shell.user_file.parent.stat().st_mode) == 0o700
    assert shell("config", "validate").returncode == 0
    assert {layer for _, layer in shell.settings().values()} == {"built-in"}


def test_every_key_of_the_written_file_can_be_taken_into_use(shell: Shell) -> None:
    shell("config", "init")
    lines = [line.removeprefix("# ") for line in shell.user_file.read_text().splitlines()[4:]]
    found = decode_config("\n".join(lines).encode(), layer=Layer.GLOBAL, file="f")
    assert found.findings == ()
    assert len(list(listed(found.config))) > 60
    shell.user_file.write_text("\n".join(lines))
    assert shell("config", "validate").returncode == 0
    assert "acme" in shell("list").stdout


def test_init_replaces_a_file_only_when_told_so(shell: Shell) -> None:
    shell.write(mine="defaults: {cpus: 3}")
    shell.user_file.chmod(0o644)
    refused = shell("config", "init")
    assert (refused.returncode, "config.exists" in refused.stderr) == (1, True)
    assert shell.user_file.read_text() == "defaults: {cpus: 3}"
    assert shell("config", "init", "--force").returncode == 0
    assert stat.S_IMODE(shell.user_file.stat().st_mode) == 0o600


def test_init_writes_where_it_is_told(shell: Shell) -> None:
    assert shell("config", "init", "--config", "here/my.yaml").returncode == 0
    assert (shell.workspace / "here/my.yaml").exists()


def test_path_tells_both_places(shell: Shell) -> None:
    lines = shell("config", "path").stdout.splitlines()
    assert lines == [str(shell.user_file), str(shell.workspace / ".broodbox.yaml")]


def test_show_tells_what_holds_and_where_it_stands(shell: Shell) -> None:
    shell.write("defaults:\n  memory: 8g\n", "defaults: {cpus: 1}\n")
    lines = shell("config", "show", "--origin").stdout.splitlines()
    assert f"defaults.memory: 8g  # {shell.user_file}:2:3" in lines
    assert "defaults.cpus: 1  # .broodbox.yaml:1:12" in lines
    assert "defaults.egress_profile: standard  # built-in" in lines
    assert shell("config", "show").stdout.splitlines()[0].endswith(": true")


def test_validate_names_every_fault_of_the_users_file(shell: Shell) -> None:
    shell.write("defualts: {}\ndefaults: {cpus: many}\n")
    done = shell("config", "validate")
    assert done.returncode == 1
    assert f"{shell.user_file}:1:1: defualts: unknown field; did you mean defaults?" in done.stderr
    assert f"{shell.user_file}:2:12: defaults.cpus" in done.stderr
    assert "config.invalid" in done.stderr


def test_validate_names_the_faults_of_a_workspace_and_of_agents(shell: Shell) -> None:
    shell.write("agents:\n  acme:\n    image: x/y\n", "nope: 1\n")
    done = shell("config", "validate", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["valid"]) == (1, False)
    keys = {(one["file"], one["key"], one["line"]) for one in found["findings"]}
    assert (".broodbox.yaml", "nope", 1) in keys
    assert (str(shell.user_file), "agents.acme.command", 2) in keys


def test_the_list_has_the_users_own_agents(shell: Shell) -> None:
    shell.write(
        "agents: {acme: {image: x/y:1, command: [a], egress_hosts: {standard: [{name: a.dev}]}}}"
    )
    assert "acme            custom     docker.io/x/y:1" in shell("list").stdout.splitlines()
    agents = json.loads(shell("list", "--json").stdout)["agents"]
    assert {agent["name"]: agent["type"] for agent in agents}["acme"] == "custom"


def test_trust_is_for_one_content_of_the_file(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    assert shell.settings()["defaults.memory"] == ("4g", "built-in")
    done = shell("trust", "--yes")
    assert ".broodbox.yaml:1:12: defaults.memory: 8g instead of 4g" in done.stdout
    assert shell.settings()["defaults.memory"] == ("8g", "workspace")
    shell.write(theirs="defaults: {memory: 9g}\n")
    assert shell.settings()["defaults.memory"] == ("4g", "built-in")


def test_trust_is_taken_back(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    shell("trust", "--yes")
    assert "already" in shell("trust").stdout
    assert shell("trust", "--revoke").stdout == "Forgotten.\n"
    assert shell.settings()["defaults.memory"] == ("4g", "built-in")


def test_trust_asks_on_a_terminal(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    assert "refused" in shell("trust", typed="no\n").stdout
    assert shell.settings()["defaults.memory"] == ("4g", "built-in")
    assert "trusted" in shell("trust", typed="y\n").stdout
    assert shell.settings()["defaults.memory"] == ("8g", "workspace")


def test_a_run_asks_once_for_each_content(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    shown = shell.starts_a_run(typed="n\n")
    assert "defaults.memory: 8g instead of 4g" in shown
    assert "Allow this" in shown
    assert shell.starts_a_run(typed="y\n") == ""
    assert shell.settings()["defaults.memory"] == ("4g", "built-in")
    shell.write(theirs="defaults: {memory: 9g}\n")
    assert "Allow this" in shell.starts_a_run(typed="y\n")
    assert shell.settings()["defaults.memory"] == ("9g", "workspace")


def test_a_run_without_a_terminal_asks_nothing_and_decides_nothing(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    assert shell.starts_a_run(typed=None) == ""
    assert "Allow this" in shell.starts_a_run(typed="")
    assert "Allow this" in shell.starts_a_run(typed="n\n")


def test_trust_asks_nobody_who_is_not_there(shell: Shell) -> None:
    shell.write(theirs="defaults: {memory: 8g}\n")
    done = shell("trust")
    assert done.returncode == 1
    assert "bbox trust --yes" in done.stderr


@pytest.mark.parametrize("theirs", ["", "defaults: {cpus: 1}\n", "auth: {save_credentials: no}\n"])
def test_there_is_nothing_to_trust_in_a_file_that_asks_for_nothing(
    shell: Shell, theirs: str
) -> None:
    shell.write(theirs=theirs)
    assert "asks for nothing" in shell("trust", "--yes").stdout


def test_a_run_with_a_broken_config_starts_nothing(shell: Shell) -> None:
    shell.write("defaults: {cpus: many}")
    done = shell.spawn("codex")
    assert done.returncode == 1
    assert f"{shell.user_file}:1:12: defaults.cpus" in done.stderr
    assert "No session" in shell("sessions", "--all").stdout


def test_the_session_hosts_config_is_the_one_that_is_named(shell: Shell) -> None:
    (shell.workspace / "my.yaml").write_text("nope: 1")
    done = shell.spawn("codex", "--config", "my.yaml")
    assert f"{shell.workspace}/my.yaml:1:1: nope: unknown field" in done.stderr
