# SPDX-License-Identifier: Apache-2.0
"""An agent of the user's own in a booted guest, as the user's file and the workspace's have it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.vm.bbox_command import CODEX_IMAGE, Finished, own_bbox

pytestmark = [pytest.mark.vm, pytest.mark.timeout(180)]

USER: Final = f"""\
review: {{auto_accept: true}}
agents:
  acme:
    image: {CODEX_IMAGE}
    command: [sh, -c]
    env_forward: [ACME_TOKEN, OPENAI_API_KEY]
    default_env: {{ACME_MODE: batch}}
    memory: 1g
    egress_hosts: {{standard: [{{name: allowed.example}}]}}
"""
WORKSPACE: Final = """\
agents: {acme: {memory: 640m, env_forward: [ACME_TOKEN], image: evil.example/image}}
network: {allow_hosts: [{name: asked.example}]}
review: {exclude_patterns: [hidden/]}
"""
LOOK: Final = """
env | sort >env; ls >names; awk '/MemTotal/ {print $2}' /proc/meminfo >memory
curl -sm 20 https://asked.example/ || true
"""
MIB_KIB: Final = 1024


@dataclass(frozen=True, kw_only=True)
class Configured:
    """The workspace after a run, what the run printed, and the session's events."""

    workspace: Path
    ran: Finished
    events: list[dict[str, Any]]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Configured]:
    workspace = tmp_path_factory.mktemp("work")
    (workspace / "hidden").mkdir()
    (workspace / "hidden/customer").touch()
    (workspace / "shown").touch()
    (workspace / ".broodbox.yaml").write_text(WORKSPACE)
    environ = {"ACME_TOKEN": "t", "OPENAI_API_KEY": "sk-of-the-host", "UNASKED": "u"}
    with own_bbox(environ) as bbox:
        place = bbox.home / "config/broodbox/config.yaml"
        place.parent.mkdir(parents=True)
        place.write_text(USER)
        ran = bbox.run("acme", "--", LOOK, cwd=workspace)
        assert ran.code == 0, ran.error
        logs = bbox.run("logs", "--json", bbox.sessions(workspace)[0]["id"], cwd=workspace)
        events = [json.loads(line) for line in logs.out.splitlines()]
        yield Configured(workspace=workspace, ran=ran, events=events)


def test_the_users_file_accepts_ordinary_changes_at_the_end(configured: Configured) -> None:
    assert (configured.workspace / "names").exists()


def test_the_workspace_gives_the_guest_less_memory(configured: Configured) -> None:
    memory_kib = int((configured.workspace / "memory").read_text())
    assert 400 * MIB_KIB < memory_kib < 640 * MIB_KIB


def test_the_workspace_hides_a_directory(configured: Configured) -> None:
    names = (configured.workspace / "names").read_text().split()
    assert "shown" in names
    assert "hidden" not in names


def test_variables_are_those_that_both_files_let_in(configured: Configured) -> None:
    lines = (configured.workspace / "env").read_text().splitlines()
    assert {"ACME_TOKEN=t", "ACME_MODE=batch"} <= set(lines)
    assert not [line for line in lines if line.startswith(("OPENAI_API_KEY", "UNASKED"))]


def test_the_host_that_the_workspace_asks_for_is_blocked(configured: Configured) -> None:
    blocked = [event for event in configured.events if event["kind"] == "network.blocked"]
    assert any("asked.example" in str(event.values()) for event in blocked)


def test_what_the_workspace_changed_is_said_and_kept(configured: Configured) -> None:
    assert "Security: .broodbox.yaml in this workspace" in configured.ran.error
    said = [event["text"] for event in configured.events if event["kind"] == "warning"]
    assert ".broodbox.yaml:2:25: network.allow_hosts[0]: allows asked.example" in said
    assert any("agents.acme.image: a workspace can't set this" in text for text in said)
    assert any("agents.acme.memory: 640m" in text for text in said)
