# SPDX-License-Identifier: Apache-2.0
"""A request put over what is configured (compat CFG-40 to CFG-42, CLI-16, CLI-17, CLI-33)."""

from dataclasses import replace

import pytest

from bbox_server.application.configure_run import ConfiguredRun, ConfigureRun
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.config.source import TrustDecision
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.run import GitAccess, LoginOptions, PullRequest, ResourceRequest, RunRequest
from bbox_server.domain.session import AfterRun
from bbox_server.domain.settings import SettingsCategory, SettingsImport
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.agents.registry import BuiltinAgents
from tests.fakes.config import MemoryConfigFiles, MemoryTrust
from tests.unit.config.configs import user, workspace

WORKSPACE = HostPath("/w")
REQUEST = RunRequest(
    agent="codex", image="", program=None, arguments=(), workspace=WORKSPACE, environ={}
)


class Setting:
    """A user's file and a workspace's, and what was said of the latter."""

    def __init__(self, mine: str = "", theirs: str | None = None) -> None:
        layer = None if theirs is None else workspace(theirs)
        self.trust = MemoryTrust()
        self.resolve = ResolveConfig(
            files=MemoryConfigFiles(mine=user(mine), theirs=layer),
            trust=self.trust,
            built_in=BuiltinAgents(),
        )

    def run(self, request: RunRequest = REQUEST) -> ConfiguredRun:
        return ConfigureRun(resolve=self.resolve, host_cpus=4)(request)

    def trusted(self) -> ConfiguredRun:
        digest = self.resolve(WORKSPACE).digest
        assert digest is not None
        self.trust.decide(WORKSPACE, digest, TrustDecision.TRUSTED)
        return self.run()


def test_without_any_config_the_request_is_as_it_was() -> None:
    run = Setting().run()
    assert run.request == replace(
        REQUEST,
        egress_profile=EgressProfile.STANDARD,
        mode=WorkspaceMode.SNAPSHOT,
        git=GitAccess(token=False, ssh_agent=False, is_token_asked=False, is_ssh_agent_asked=False),
        pull=PullRequest(policy=PullPolicy.BACKGROUND),
    )
    assert (run.name, run.findings, run.after) == ("codex", (), AfterRun.ASK)


def test_an_option_wins_over_the_agents_entry_and_that_over_the_defaults() -> None:
    mine = "defaults: {cpus: 1, memory: 1g, tmp_size: 64}\nagents: {codex: {cpus: 2, memory: 2g}}"
    request = replace(REQUEST, resources=ResourceRequest(cpus=3))
    assert Setting(mine).run(request).request.resources == ResourceRequest(
        cpus=3, memory_mib=2048, tmp_size_mib=64
    )


def test_an_option_chooses_the_profile_also_a_looser_one() -> None:
    mine = "defaults: {egress_profile: locked}"
    assert Setting(mine).run().request.egress_profile is EgressProfile.LOCKED
    asked = replace(REQUEST, egress_profile=EgressProfile.PERMISSIVE)
    assert Setting(mine).run(asked).request.egress_profile is EgressProfile.PERMISSIVE


def test_hosts_and_patterns_of_all_sources_are_put_together() -> None:
    mine = (
        "network: {allow_hosts: [{name: a.dev}]}\nreview: {exclude_patterns: ['*.a']}\n"
        "agents: {codex: {allow_hosts: [{name: b.dev}]}, gemini: {allow_hosts: [{name: x.dev}]}}"
    )
    request = replace(REQUEST, allow_hosts=(parse_host_rule("c.dev"),), excludes=("*.c",))
    run = Setting(mine, "review: {exclude_patterns: ['*.b']}").run(request)
    assert [rule.name for rule in run.request.allow_hosts] == ["a.dev", "b.dev", "c.dev"]
    assert run.request.excludes == ("*.a", "*.b", "*.c")


@pytest.mark.parametrize(
    ("mine", "theirs", "after"),
    [
        ("review: {enabled: true}", "", AfterRun.REVIEW),
        ("review: {auto_accept: true}", "", AfterRun.APPLY),
        ("review: {auto_accept: true}", "review: {enabled: true}", AfterRun.REVIEW),
        ("", "review: {auto_accept: true}", AfterRun.ASK),
    ],
)
def test_the_config_says_what_happens_at_the_end(mine: str, theirs: str, after: AfterRun) -> None:
    assert Setting(mine, theirs).run().after is after


def test_more_cpus_than_the_machine_has_are_said() -> None:
    run = Setting("defaults: {cpus: 64}").run()
    assert run.request.resources.cpus == 4
    assert "64 is more than this machine has" in run.warnings[0]


def test_what_a_workspace_changes_is_said_in_one_block() -> None:
    run = Setting("", "defaults: {cpus: 1, memory: 99g}\nnope: 1\nauth: {save_credentials: no}")
    (block,) = run.run().warnings
    lines = block.splitlines()
    assert lines[0].startswith("Security: .broodbox.yaml in this workspace modifies")
    assert "  - not usable: .broodbox.yaml:2:1: nope: unknown field" in lines
    assert "  - not applied: .broodbox.yaml:1:21: defaults.memory: 99g instead of 4g" in lines
    assert "bbox trust" in lines[-1]


def test_names_of_a_workspace_can_not_write_to_the_terminal() -> None:
    (block,) = Setting("", 'agents: {"\\e]0;x\\a\\u202e": {cpus: 1}}').run().warnings
    assert all(line.isprintable() for line in block.splitlines())


def test_a_trusted_file_is_applied_and_still_said() -> None:
    run = Setting("", "defaults: {memory: 8g}").trusted()
    assert run.request.resources.memory_mib == 8192
    assert "applied, you trust the file" in run.warnings[0]


def test_keys_that_nothing_acts_on_say_so() -> None:
    run = Setting(
        "mcp: {group: team}\nruntime: {firmware_download: true}\nworkspace: {mode: direct}\n"
        "review: {exclude_patterns: [a]}\n"
        "agents: {codex: {egress_hosts: {locked: [{name: a.dev}]}}, gemini: {settings: []}}"
    ).run()
    said = {finding.path[0]: finding.text for finding in run.findings}
    assert "does not act on it" in said["mcp"]
    assert "nothing is downloaded" in said["runtime"]
    assert "direct mode" in said["review"]
    assert "allow_hosts" in said["agents"]
    assert not any("gemini" in one.path for one in run.findings)


def test_settings_are_carried_as_far_as_all_let_them() -> None:
    mine = "settings_import: {categories: {skills: false}}"
    theirs = "agents: {codex: {settings_import: {categories: {rules: false}}}}"
    settings = Setting(mine, theirs).run().request.settings
    assert not settings.carries(SettingsCategory.SKILLS)
    assert not settings.carries(SettingsCategory.RULES)
    assert settings.carries(SettingsCategory.COMMANDS)
    none = replace(REQUEST, settings=SettingsImport(enabled=False))
    assert not Setting(mine).run(none).request.settings.carries(SettingsCategory.COMMANDS)


def test_direct_mode_is_the_users_config_or_an_option() -> None:
    mine = "workspace: {mode: direct}\nreview: {exclude_patterns: ['*.a']}"
    run = Setting(mine).run()
    assert (run.request.mode, run.request.excludes) == (WorkspaceMode.DIRECT, ())
    asked = replace(REQUEST, mode=WorkspaceMode.SNAPSHOT)
    assert Setting(mine).run(asked).request.excludes == ("*.a",)
    assert Setting(mine, "workspace: {mode: snapshot}").run().request.mode is (
        WorkspaceMode.SNAPSHOT
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "asked", "forwarded"),
    [
        ("", "", None, False),
        ("", "", True, True),
        ("git: {forward_token: true}", "", None, True),
        ("git: {forward_token: true}", "", False, False),
        ("git: {forward_token: true}", "git: {forward_token: false}", None, False),
        ("git: {forward_token: false}", "", True, False),
        ("", "git: {forward_token: true}", None, False),
    ],
)
def test_the_token_is_used_when_the_user_says_so(
    mine: str, theirs: str, *, asked: bool | None, forwarded: bool
) -> None:
    run = Setting(mine, theirs).run(replace(REQUEST, git=GitAccess(token=asked)))
    assert run.request.git.token is forwarded
    assert run.request.git.is_token_asked is bool(asked)
    is_refused = asked is True and not forwarded
    assert is_refused == any("which wins" in text for text in run.warnings)
    agents = [text.replace("forward_token", "forward_ssh_agent") for text in (mine, theirs)]
    lent = Setting(*agents).run(replace(REQUEST, git=GitAccess(ssh_agent=asked)))
    assert lent.request.git.ssh_agent is forwarded
    assert is_refused == any("which wins" in text for text in lent.warnings)


@pytest.mark.parametrize(
    ("mine", "asked", "kept"),
    [
        ("", LoginOptions(), LoginOptions()),
        ("auth: {save_credentials: false}", LoginOptions(seed=True), LoginOptions(save=False)),
        ("auth: {seed_host_credentials: true}", LoginOptions(), LoginOptions(seed=True)),
        (
            "auth: {seed_host_credentials: true}",
            LoginOptions(save=False, inside=True),
            LoginOptions(save=False, inside=True),
        ),
    ],
)
def test_a_login_is_kept_and_seeded_as_the_user_says(
    mine: str, asked: LoginOptions, kept: LoginOptions
) -> None:
    run = Setting(mine, "auth: {seed_host_credentials: true}").run(replace(REQUEST, login=asked))
    assert run.request.login == kept


def test_an_image_without_an_agent_has_the_defaults() -> None:
    request = replace(REQUEST, agent=None, image="example.com/tool:1")
    run = Setting("defaults: {memory: 1g}").run(request)
    assert (run.agent, run.name, run.request.resources.memory_mib) == (None, "tool", 1024)


def test_an_agent_that_is_declared_wrongly_is_refused_with_its_faults() -> None:
    setting = Setting("agents: {acme: {image: x/y}}")
    with pytest.raises(BboxError) as raised:
        setting.run(replace(REQUEST, agent="acme"))
    assert raised.value.code is ErrorCode.AGENT_INVALID
    assert any("the agent is skipped" in text for text in setting.run().warnings)


def test_what_is_asked_for_on_the_spot_says_when_to_pull() -> None:
    setting = Setting("image: {pull: never}")
    asked = replace(REQUEST, pull=PullRequest(policy=PullPolicy.ALWAYS))

    assert setting.run().request.pull.policy is PullPolicy.NEVER
    assert setting.run(asked).request.pull.policy is PullPolicy.ALWAYS


@pytest.mark.parametrize(
    ("config", "policy"), [("", PullPolicy.NEVER), ("image: {pull: never}", None)]
)
def test_nothing_is_fetched_afresh_where_nothing_may_be_pulled(
    config: str, policy: PullPolicy | None
) -> None:
    asked = replace(REQUEST, pull=PullRequest(policy=policy, afresh=True))

    with pytest.raises(BboxError) as caught:
        Setting(config).run(asked)

    assert caught.value.code is ErrorCode.CLI_USAGE
