# SPDX-License-Identifier: Apache-2.0
"""How a workspace's file meets the user's (compat CFG-20 to CFG-39, P-24 to P-28)."""

import pytest

from bbox_server.domain.config.effective import effective
from bbox_server.domain.config.merge import MergedConfig, merge_configs
from bbox_server.domain.config.problem import FindingKind, Layer
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.settings import SettingsCategory
from tests.unit.config.configs import BASELINE, kinds, merged, user


def only(merge: MergedConfig) -> str:
    (finding,) = merge.findings
    return str(finding)


def test_a_workspace_takes_less_of_the_machine() -> None:
    merge = merged("defaults: {cpus: 4, memory: 4g}", "defaults: {cpus: 2, memory: 1g}")
    assert (merge.config.defaults.cpus, merge.config.defaults.memory) == (2, 1024)
    assert kinds(merge) == [FindingKind.TIGHTENED, FindingKind.TIGHTENED]


def test_a_workspace_asks_for_more_and_does_not_get_it() -> None:
    merge = merged("defaults: {memory: 4g}", "defaults: {memory: 64g}")
    assert merge.config.defaults.memory == 4096
    assert only(merge) == ".broodbox.yaml:1:12: defaults.memory: 64g instead of 4g"
    assert merge.widening == merge.findings


def test_what_nobody_set_is_measured_against_what_holds_anyway() -> None:
    merge = merged("", "defaults: {cpus: 3, memory: 2g}\nagents: {codex: {memory: 8g}}")
    assert (merge.config.defaults.cpus, merge.config.defaults.memory) == (None, 2048)
    assert merge.config.agents == {}
    assert len(merge.widening) == 2


def test_a_trusted_file_widens() -> None:
    theirs = (
        "defaults: {memory: 64g}\nnetwork: {allow_hosts: [{name: a.dev}]}\nimage: {pull: never}"
    )
    merge = merged("", theirs, trusted=True)
    assert merge.config.defaults.memory == 65536
    assert [rule.name for rule in merge.config.network.allow_hosts or ()] == ["a.dev"]
    assert set(kinds(merge)) == {FindingKind.WIDENED}


def test_trust_does_not_reach_what_a_workspace_has_no_say_in() -> None:
    theirs = (
        "workspace: {mode: direct}\nauth: {seed_host_credentials: true}\n"
        "review: {auto_accept: true}\nmcp: {port: 1}\n"
        "agents: {codex: {image: evil/x, command: [evil], default_env: {A: b}}, new: {image: x}}"
    )
    merge = merged("", theirs, trusted=True)
    assert merge.config == merged("", "").config
    assert set(kinds(merge)) == {FindingKind.IGNORED}
    assert len(merge.findings) == 8


def test_limits_hold_for_everybody_and_say_so() -> None:
    merge = merged("defaults: {cpus: 500, memory: 999999}", "")
    assert (merge.config.defaults.cpus, merge.config.defaults.memory) == (128, 131072)
    assert kinds(merge) == [FindingKind.CLAMPED, FindingKind.CLAMPED]
    assert "500 is more than 128" in str(merge.findings[1])


def test_a_file_without_a_mode_has_no_opinion_of_it() -> None:
    merge = merged("workspace: {mode: direct}", "defaults: {cpus: 1}")
    assert merge.config.workspace.mode is WorkspaceMode.DIRECT


def test_a_workspace_turns_direct_mode_off_and_not_on() -> None:
    assert (
        merged("workspace: {mode: direct}", "workspace: {mode: snapshot}").config.workspace.mode
        is WorkspaceMode.SNAPSHOT
    )
    assert merged("", "workspace: {mode: direct}").config.workspace.mode is None


def test_a_built_in_agent_that_the_user_does_not_name_can_be_tightened() -> None:
    merge = merged("", "agents: {codex: {egress_profile: locked, env_forward: []}}")
    assert effective(merge.config, "codex").egress_profile is EgressProfile.LOCKED
    assert merge.config.agents["codex"].env_forward == ()


def test_variables_are_narrowed_to_those_of_the_user_or_the_agent() -> None:
    theirs = "agents: {codex: {env_forward: [CODEX_HOME, AWS_*, OPENAI_API_KEY]}}"
    own = merged("", theirs)
    assert own.config.agents["codex"].env_forward == ("CODEX_HOME", "OPENAI_API_KEY")
    assert [str(one) for one in own.widening] == [
        ".broodbox.yaml:1:18: agents.codex.env_forward: forwards AWS_*"
    ]
    nothing = merged("agents: {codex: {env_forward: []}}", theirs)
    assert nothing.config.agents["codex"].env_forward == ()


def test_the_users_default_profile_is_a_floor() -> None:
    config = merged(
        "defaults: {egress_profile: locked}\nagents: {codex: {egress_profile: permissive}}", ""
    ).config
    assert effective(config, "codex").egress_profile is EgressProfile.LOCKED
    assert effective(config, None).egress_profile is EgressProfile.LOCKED


def test_a_user_loosens_one_agent() -> None:
    config = merged("agents: {codex: {egress_profile: permissive}}", "").config
    assert effective(config, "codex").egress_profile is EgressProfile.PERMISSIVE
    assert effective(config, "gemini").egress_profile is EgressProfile.STANDARD


def test_a_host_that_the_user_allows_already_needs_no_trust() -> None:
    merge = merged(
        "network: {allow_hosts: [{name: '*.dev.example'}]}",
        "network: {allow_hosts: [{name: a.dev.example, ports: [443]}, {name: other.example}]}\n"
        "agents: {codex: {allow_hosts: [{name: b.dev.example, ports: [22]}]}}",
    )
    assert [str(rule) for rule in merge.config.network.allow_hosts or ()] == [
        "*.dev.example",
        "a.dev.example:443",
    ]
    assert [one.path for one in merge.findings] == [
        ("network", "allow_hosts", 1),
        ("agents", "codex", "allow_hosts", 0),
    ]


def test_a_workspace_hides_more_and_shows_nothing_that_is_hidden() -> None:
    merge = merged(
        "review: {exclude_patterns: [secret/]}",
        "review: {exclude_patterns: ['*.log', '!secret/']}",
    )
    assert merge.config.review.exclude_patterns == ("secret/", "*.log")
    assert [one.path for one in merge.widening] == [("review", "exclude_patterns", 1)]


def test_a_workspace_asks_for_a_review_and_not_against_one() -> None:
    assert merged("", "review: {enabled: true}").config.review.enabled is True
    assert (
        merged("review: {enabled: true}", "review: {enabled: false}").config.review.enabled is True
    )


def test_categories_of_settings_are_turned_off_for_one_agent() -> None:
    config = merged("", "agents: {codex: {settings_import: {categories: {skills: false}}}}").config
    assert not effective(config, "codex").settings.carries(SettingsCategory.SKILLS)
    assert effective(config, "codex").settings.carries(SettingsCategory.RULES)
    assert effective(config, "gemini").settings.carries(SettingsCategory.SKILLS)


@pytest.mark.parametrize("key", ["forward_token", "forward_ssh_agent"])
def test_git_access_is_off_until_the_user_turns_it_on(key: str) -> None:
    assert not merged("", "").config.git.forwards_token
    asked = merged("", f"git: {{{key}: true}}")
    assert asked.config == merged("", "").config
    assert kinds(asked) == [FindingKind.WIDENS]
    allowed = merged(f"git: {{{key}: true}}", f"git: {{{key}: false}}").config.git
    assert not allowed.forwards_token
    assert not allowed.forwards_ssh_agent


def test_every_value_knows_whose_it_is() -> None:
    merge = merged("defaults: {cpus: 4, memory: 1g}", "defaults: {cpus: 2}")
    assert str(merge.origins["defaults", "cpus"]) == ".broodbox.yaml:1:12"
    assert str(merge.origins["defaults", "memory"]) == "config.yaml:1:21"
    assert merge.origins["defaults", "memory"].layer is Layer.GLOBAL


def test_without_a_workspaces_file_the_users_holds() -> None:
    mine = user("defaults: {cpus: 4}\nagents: {codex: {cpus: 8}}")
    assert merge_configs(mine, None, BASELINE).config == mine.config


@pytest.mark.parametrize(
    ("mine", "theirs", "held"),
    [
        ("", "requests: 5", (5, None)),
        ("requests: 9", "requests: 5", (5, None)),
        ("requests: 9", "requests: 50", (9, None)),
        ("requests: 9, data: 2m", "data: 1m", (9, 1)),
    ],
)
def test_a_workspace_only_lowers_the_limits_of_keys(
    mine: str, theirs: str, held: tuple[int | None, int | None]
) -> None:
    keys = merged(f"keys: {{{mine}}}", f"keys: {{{theirs}}}").config.keys
    assert (keys.requests, keys.data) == held
