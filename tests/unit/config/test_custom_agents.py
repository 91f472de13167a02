# SPDX-License-Identifier: Apache-2.0
"""Agents of a config (compat CFG-40, CFG-50 to CFG-56; P-24, P-26, P-72)."""

import pytest

from bbox_server.domain.agent import AgentName
from bbox_server.domain.config.agents import ConfiguredAgents, configured_agents
from bbox_server.domain.config.custom_agent import RESERVED_NAMES, path_fault
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.entrypoints.cli.arguments import COMMANDS
from tests.unit.config.configs import BASELINE, merged, user

ACME = (
    "image: ghcr.io/acme/agent:1, command: [acme, --fast], "
    "egress_hosts: {standard: [{name: api.acme.dev}]}"
)


def agents(text: str) -> ConfiguredAgents:
    return configured_agents(user(text).config, BASELINE.agents)


def test_an_agent_of_the_users_own_is_one_like_the_others() -> None:
    found = agents(f"agents: {{acme: {{{ACME}, default_env: {{A: b}}}}}}").get("acme")
    assert str(found.image) == "ghcr.io/acme/agent:1"
    assert found.argv(("x",)) == ("acme", "--fast", "x")
    assert (found.resources.cpus, found.resources.memory_mib) == (2, 4096)
    assert (found.env, found.env_forward) == ({"A": "b"}, ())


def test_all_agents_are_listed_by_name() -> None:
    names = [agent.name for agent in agents(f"agents: {{dana: {{{ACME}}}}}").list()]
    assert names == ["claude-code", "codex", "dana", "gemini", "hermes", "opencode"]


def test_a_built_in_agent_is_changed() -> None:
    found = agents("agents: {codex: {image: x/y, env_forward: [], default_env: {A: b}}}")
    codex, before = found.get("codex"), BASELINE.agents[AgentName("codex")]
    assert str(codex.image) == "docker.io/x/y:latest"
    assert codex.env_forward == ()
    assert codex.env == {**before.env, "A": "b"}
    assert codex.command == before.command
    assert found.custom == frozenset()


def test_another_command_does_not_get_the_agents_own_words() -> None:
    codex = agents("agents: {codex: {command: [sh, -c, codex]}}").get("codex")
    assert codex.argv(()) == ("sh", "-c", "codex")


def test_an_unusable_agent_says_why_when_it_is_asked_for() -> None:
    with pytest.raises(BboxError) as raised:
        agents("agents: {acme: {image: x/y}}").get("acme")
    assert raised.value.code is ErrorCode.AGENT_INVALID
    assert "command is required" in raised.value.cause
    assert "egress_hosts" in raised.value.cause


def test_a_mistyped_agent_of_the_users_own_is_suggested() -> None:
    with pytest.raises(BboxError) as raised:
        agents(f"agents: {{acme: {{{ACME}}}}}").get("acne")
    assert "Did you mean acme?" in raised.value.remediation


def test_an_entry_for_a_mistyped_agent_says_what_was_meant() -> None:
    (first, *_) = agents("agents: {codx: {cpus: 1}}").faults["codx"]
    assert first.text == "there is no such agent; did you mean codex?"


def test_paths_are_cleaned() -> None:
    found = agents(f"agents: {{acme: {{{ACME}, credentials: {{persist: [./a/../b]}}}}}}")
    assert list(map(str, found.get("acme").credential_paths)) == ["b"]


def test_what_a_workspace_tightens_leaves_the_agent_where_it_is() -> None:
    mine = f"agents: {{acme: {{{ACME}}}}}"
    config = merged(mine, "agents: {acme: {egress_profile: locked}}").config
    found = configured_agents(config, BASELINE.agents, user=user(mine).config)
    assert found.get("acme").name == "acme"
    assert found.faults == {}


def test_a_key_that_the_user_spells_out_is_the_agents_own() -> None:
    mine = f"agents: {{acme: {{{ACME}, env_forward: [OPENAI_API_KEY, ACME_*]}}}}"
    assert agents(mine).get("acme").own_keys == ("OPENAI_API_KEY",)
    assert agents("").get("codex").own_keys == ()


def test_a_workspace_makes_no_key_the_agents_own() -> None:
    theirs = "agents: {codex: {env_forward: [OPENAI_API_KEY]}}"
    for trusted in (False, True):
        config = merged("", theirs, trusted=trusted).config
        found = configured_agents(config, BASELINE.agents, user=user("").config).get("codex")
        assert found.env_forward == ("OPENAI_API_KEY",)
        assert found.own_keys == ()


def test_an_agent_of_the_users_own_has_settings_and_a_login() -> None:
    found = agents(
        f"agents: {{acme: {{{ACME}, env_required: [TOKEN], credentials: {{persist: [.acme/login]}},"
        "settings: [{host_path: .acme/c.json, kind: merge-file, format: json, allow_keys: [a]}]}}"
    ).get("acme")
    assert (found.env_required, list(map(str, found.credential_paths))) == (
        ("TOKEN",),
        [".acme/login"],
    )
    (entry,) = found.settings
    assert (entry.guest_path, entry.fields.allow) == (entry.host_path, ("a",))


def test_a_file_can_not_be_merged_without_its_format() -> None:
    with pytest.raises(BboxError) as raised:
        agents(f"agents: {{a: {{{ACME}, settings: [{{host_path: x, kind: merge-file}}]}}}}").get(
            "a"
        )
    assert "format" in raised.value.cause


@pytest.mark.parametrize("name", ["list", "config", "run-image", "help"])
def test_a_commands_name_is_no_agents(name: str) -> None:
    with pytest.raises(BboxError) as raised:
        agents(f"agents: {{{name}: {{{ACME}}}}}").get(name)
    assert "is a command" in raised.value.cause


def test_every_command_is_reserved() -> None:
    assert set(COMMANDS) <= RESERVED_NAMES


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (".acme/login", None),
        ("a/./b", None),
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("..", "escapes"),
        ("a/../../b", "escapes"),
        ("a/../b", None),
        ("a/..", "the home directory"),
        (".", "the home directory"),
        ("./", "the home directory"),
    ],
)
def test_a_path_stays_below_the_home(path: str, fault: str | None) -> None:
    found = path_fault(path)
    assert found is None if fault is None else found is not None and fault in found
