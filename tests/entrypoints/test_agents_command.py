# SPDX-License-Identifier: Apache-2.0
"""`bbox agents`, as a user runs it."""

import json

import pytest

from tests.entrypoints.test_config_commands import Shell, shell

__all__ = ["shell"]

ADD = (
    *("agents", "add", "acme", "--image", "ghcr.io/acme/agent:1"),
    *("--command", "acme", "--command=--yes", "--env-required", "ACME_TOKEN"),
    *("--allow-host", "api.example.com:443", "--memory", "8g"),
)


def test_an_agent_is_added_shown_and_taken_along(shell: Shell) -> None:
    added = shell(*ADD)
    assert (added.returncode, "Run it: bbox acme" in added.stdout) == (0, True)
    assert "acme            custom     ghcr.io/acme/agent:1" in shell("agents", "list").stdout
    shown = shell("agents", "inspect", "acme").stdout
    assert "acme --yes" in shown
    assert "ACME_TOKEN MISSING" in shown
    assert "8192 MiB" in shown
    assert f"[{shell.user_file}:" in shown
    exported = shell("agents", "export", "acme").stdout
    (shell.workspace / "agent.yaml").write_text(exported)
    imported = shell("agents", "import", "agent.yaml", "--name", "twin")
    assert (imported.returncode, imported.stderr) == (0, "")
    assert "twin " in shell("list").stdout


def test_an_agent_that_is_there_stays_unless_forced(shell: Shell) -> None:
    shell(*ADD)
    again = shell(*ADD)
    assert (again.returncode, "agent.exists" in again.stderr) == (1, True)
    assert "Replaced acme" in shell(*ADD, "--force").stdout


def test_what_is_exported_has_no_values_of_variables(shell: Shell) -> None:
    shell.write("agents:\n  acme: {image: x:1, command: [a], default_env: {KEY: hidden}}\n")
    exported = shell("agents", "export", "acme").stdout
    assert "x:1" in exported
    assert "hidden" not in exported
    assert "KEY" not in exported


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "codex", "--image", "x:1", "--command", "c"), "codex is built in"),
        (("add", "review", "--image", "x:1", "--command", "c"), "is a command"),
        (("add", "a b", "--image", "x:1", "--command", "c"), "invalid agent name"),
        (("add", "acme"), "needs --image and --command"),
        (("add", "acme", "--image", "x:1", "--command", "c"), "requires egress_hosts.standard"),
        (("inspect", "codx"), "Did you mean codex?"),
        (("inspect",), "needs the name of an agent"),
        (("doctor", "nobody"), "agent not found"),
        (("export", "codex"), "codex is built in"),
        (("export", "nobody"), "agent not found"),
        (("import", "missing.yaml"), "there is no such file"),
        (("import",), "needs a file"),
    ],
)
def test_what_is_wrong_is_said(shell: Shell, words: tuple[str, ...], said: str) -> None:
    done = shell("agents", *words)
    assert done.returncode != 0
    assert said in done.stderr
    assert not shell.user_file.exists() or shell.user_file.read_text() == ""


def test_the_doctor_names_what_keeps_an_agent_from_running(shell: Shell) -> None:
    shell(*ADD)
    done = shell("agents", "doctor", "acme")
    assert done.returncode == 1
    assert "[PASS] acme is of your own, and well defined" in done.stdout
    assert "[FAIL] ACME_TOKEN is not set" in done.stdout
    found = json.loads(shell("agents", "doctor", "acme", "--json").stdout)
    assert (found["ok"], len(found["checks"])) == (False, 2)
    assert shell("agents", "doctor", "codex").returncode == 0


def test_the_doctor_sees_agents_that_can_not_run(shell: Shell) -> None:
    shell.write("agents:\n  acme: {image: x:1}\n")
    done = shell("agents", "doctor", "acme")
    assert (done.returncode, "[FAIL] command: command is required" in done.stdout) == (1, True)


def test_a_stanza_to_begin_with_is_shown_and_not_written(shell: Shell) -> None:
    done = shell("agents", "init", "mine")
    assert all(line.startswith("#") for line in done.stdout.splitlines())
    assert "mine:" in done.stdout
    assert not shell.user_file.exists()
