# SPDX-License-Identifier: Apache-2.0
"""What a run decides and carries before there is a guest, on fakes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.carry_settings import CarrySettings
from bbox_server.application.configure_run import ConfigureRun
from bbox_server.application.find_credentials import FindCredentials
from bbox_server.application.gather_ingredients import GatherIngredients
from bbox_server.application.plan_run import PlanRun, RunPlan
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.domain.agent import AgentFile, AgentProvider, MemoryShares
from bbox_server.domain.config.provider_section import ProviderSection
from bbox_server.domain.credential import OPENAI
from bbox_server.domain.egress.group import HostGroup
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.fields import FieldFilter
from bbox_server.domain.identity import GitIdentities, GitIdentity
from bbox_server.domain.image import ImageConfig, RootFilesystem
from bbox_server.domain.run import LoginOptions, ResourceRequest, RunRequest
from bbox_server.domain.settings import (
    SettingsCategory,
    SettingsEntry,
    SettingsFormat,
    SettingsImport,
    SettingsKind,
)
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.entrypoints.cli.dry_run_view import dry_run_lines
from bbox_server.wire.run_plan import RunPlanMessage, run_plan_message
from tests.fakes.agent import FakeAgentRegistry, simple_agent
from tests.fakes.config import MemoryConfigFiles, MemoryTrust
from tests.fakes.credential import FakeCredentialProxy
from tests.fakes.egress import FakePackageHosts
from tests.fakes.image import FakeImageStore
from tests.fakes.login import MemoryHostLogins, MemoryLoginStore
from tests.fakes.session import FakeClock, RecordingProgress
from tests.fakes.settings import MemorySettings
from tests.fakes.snapshot import MemorySnapshots
from tests.fakes.vm import FakeVmBackend

KEY = "the-key-of-the-host"
WORKSPACE = HostPath("/home/user/project")
ENVIRON = {"HOME": "/home/user", "TERM": "xterm", "OPENAI_API_KEY": KEY}
FILES: dict[str, bytes | None] = {
    ".tool/settings.json": b'{"model": "m", "hooks": {}, "list": [{"apiKey": "abc"}]}',
    ".tool/RULES.md": b"be brief",
    ".tool/skills/a/SKILL.md": b"skill",
    ".tool/skills/a/id_rsa": b"private",
    ".tool/skills/link": None,
}


PACKAGES = HostGroup(
    name="node", reason="Installs.", rules=(HostRule(name="packages.example.org", ports=(443,)),)
)


class Somebody(GitIdentities):
    @override
    async def find(self, workspace: HostPath) -> GitIdentity:
        return GitIdentity(name="Ada", email="ada@example.invalid")


def entry(
    name: str, category: SettingsCategory, kind: SettingsKind = SettingsKind.FILE
) -> SettingsEntry:
    path = PurePosixPath(name)
    return SettingsEntry(
        host_path=path,
        guest_path=path,
        kind=kind,
        category=category,
        format=SettingsFormat.JSON,
        fields=FieldFilter(allow=("model", "list")),
    )


TOOL = replace(
    simple_agent("tool"),
    env={"TOOL_MODE": "default", "BBOX_FORGED": "1"},
    env_forward=("TOOL_*", "OPENAI_*", "NODE_OPTIONS"),
    memory=MemoryShares(node_heap=75, go_limit=70),
    providers=(AgentProvider(id=OPENAI.provider, env={"OPENAI_BASE_URL": "${openai_base_url}"}),),
    files=(
        AgentFile(
            path=PurePosixPath(".tool/settings.json"), template='{"url": "${openai_base_url}"}'
        ),
        AgentFile(path=PurePosixPath(".tool/own"), template="own"),
    ),
    settings=(
        entry(".tool/settings.json", SettingsCategory.SETTINGS, SettingsKind.MERGE_FILE),
        entry(".tool/RULES.md", SettingsCategory.RULES),
        entry(".tool/skills", SettingsCategory.SKILLS, SettingsKind.DIRECTORY),
    ),
)


@dataclass
class Ground:
    settings: MemorySettings = field(default_factory=lambda: MemorySettings(files=dict(FILES)))
    agents: FakeAgentRegistry = field(default_factory=lambda: FakeAgentRegistry([TOOL]))
    backend: FakeVmBackend = field(default_factory=FakeVmBackend)
    progress: RecordingProgress = field(default_factory=RecordingProgress)
    logins: MemoryLoginStore = field(default_factory=MemoryLoginStore)
    host_logins: MemoryHostLogins = field(default_factory=MemoryHostLogins)

    async def plan(self, environ: Mapping[str, str] | None = None, **changes: object) -> RunPlan:
        images = FakeImageStore()
        layout = HostPath("/images/tool")
        images.layouts[layout] = RootFilesystem(
            path=HostPath("/images/tool.sqfs"), digest=Digest("0" * 64), config=ImageConfig()
        )
        await images.import_layout(layout, TOOL.image)
        files = {PurePosixPath(name): b"1" for name in ("a", "b.log", ".env")}
        prepare = PrepareRun(
            gather=GatherIngredients(
                images=images,
                snapshots=MemorySnapshots(workspaces={WORKSPACE: files}),
                identities=Somebody(),
                backend=self.backend,
                progress=self.progress,
            ),
            settings=CarrySettings(source=self.settings, progress=self.progress),
            credentials=FindCredentials(store=self.logins, host=self.host_logins),
            proxy=FakeCredentialProxy(),
            progress=self.progress,
            trusted_certificates=b"",
            logins=CarryLogin(
                store=self.logins,
                host=self.host_logins,
                clock=FakeClock(),
                progress=self.progress,
            ),
        )
        fields: dict[str, object] = {
            "agent": "tool",
            "image": "",
            "program": None,
            "arguments": ("--fast",),
            "workspace": WORKSPACE,
            "environ": {**ENVIRON, **(environ or {})},
            "excludes": ("b.log",),
        }
        request = RunRequest(**{**fields, **changes})  # type: ignore[arg-type]  # the tests' own names
        resolve = ResolveConfig(
            files=MemoryConfigFiles(), trust=MemoryTrust(), built_in=self.agents
        )
        configure = ConfigureRun(resolve=resolve, host_cpus=2)
        plan = PlanRun(
            configure=configure,
            prepare=prepare,
            packages=AllowPackages(hosts=FakePackageHosts(PACKAGES)),
            progress=self.progress,
        )
        return await plan(request)


@pytest.fixture
def ground() -> Ground:
    return Ground()


def files_of(plan: RunPlan) -> dict[str, bytes]:
    return {str(file.path): file.content for file in plan.launch.files}


def message_of(plan: RunPlan) -> RunPlanMessage:
    return run_plan_message(plan.name, plan.image, WORKSPACE, plan.launch)


async def test_settings_are_files_of_the_guest_with_bboxs_own_on_top(ground: Ground) -> None:
    files = files_of(await ground.plan())
    assert files[".tool/RULES.md"] == b"be brief"
    assert files[".tool/skills/a/SKILL.md"] == b"skill"
    assert files[".tool/own"] == b"own"
    assert json.loads(files[".tool/settings.json"]) == {
        "model": "m",
        "list": [{}],
        "url": "http://192.168.127.1:4484/openai/v1",
    }


async def test_what_is_not_carried_is_named_and_nothing_secret_is(ground: Ground) -> None:
    plan = await ground.plan()
    assert not {".tool/skills/a/id_rsa", ".tool/skills/link"} & files_of(plan).keys()
    warned = "\n".join(ground.progress.warnings)
    assert "Not carried: ~/.tool/skills/a/id_rsa: it may hold a secret (id_rsa*)" in warned
    assert "Not carried: ~/.tool/skills/link: " in warned
    assert "~/.tool/settings.json is carried without its credentials: list[0].apiKey" in (
        ground.progress.notes
    )


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        (SettingsImport(enabled=False), set()),
        (
            SettingsImport(categories={SettingsCategory.SKILLS: False}),
            {".tool/settings.json", ".tool/RULES.md"},
        ),
    ],
)
async def test_categories_that_are_off_are_not_read(
    ground: Ground, chosen: SettingsImport, left: set[str]
) -> None:
    plan = await ground.plan(settings=chosen)
    assert {str(file.path) for file in plan.launch.carried.settings.files} == left
    assert files_of(plan)[".tool/own"] == b"own"


async def test_without_a_home_nothing_is_carried(ground: Ground) -> None:
    assert (await ground.plan({"HOME": ""})).launch.carried.settings.files == ()


async def test_many_faults_are_counted(ground: Ground) -> None:
    ground.settings.files |= {f".tool/skills/x{number}": None for number in range(20)}
    await ground.plan()
    named = [each for each in ground.progress.warnings if each.startswith("Not carried: ")]
    assert len(named) == 11
    assert named[-1] == "Not carried: 12 more; see --dry-run"


async def test_a_variable_that_the_agent_needs_is_asked_for_before_anything(
    ground: Ground,
) -> None:
    ground.agents.agents[0] = replace(TOOL, env_required=("TOOL_LICENCE", "HOME"))
    with pytest.raises(BboxError) as caught:
        await ground.plan(env_required=("OTHER",))
    assert caught.value.code is ErrorCode.ENVIRONMENT_MISSING
    assert caught.value.cause == "tool needs TOOL_LICENCE, OTHER."
    plan = await ground.plan({"TOOL_LICENCE": ""})
    assert plan.name == "tool"


async def test_the_environment_is_put_together_in_order(ground: Ground) -> None:
    plan = await ground.plan(
        {"TOOL_MODE": "mine", "NODE_OPTIONS": "--inspect", "GIT_AUTHOR_NAME": "Me"},
        resources=ResourceRequest(memory_mib=1000),
    )
    env = plan.launch.env
    assert env["TOOL_MODE"] == "mine"
    assert env["NODE_OPTIONS"] == "--max-old-space-size=750 --inspect"
    assert (env["GOMEMLIMIT"], env["GIT_AUTHOR_NAME"]) == ("700MiB", "Me")
    assert (env["GIT_TERMINAL_PROMPT"], env["BBOX_AGENT_NAME"]) == ("0", "tool")


async def test_bboxs_own_names_are_set_by_bbox_alone(ground: Ground) -> None:
    plan = await ground.plan(
        {"BBOX_MCP_URL": "http://forged", "BBOX_HOME": "/x"}, env_forward=("BBOX_*",)
    )
    assert "BBOX_MCP_URL" not in plan.launch.env
    assert "BBOX_FORGED" not in plan.launch.env
    assert plan.launch.env["BBOX_HOME"] == "/home/sandbox"
    assert "BBOX_MCP_URL is not carried: BBOX_* are set by bbox alone" in ground.progress.warnings


async def test_a_forwarded_secret_is_named_aloud_and_its_value_is_not(ground: Ground) -> None:
    plan = await ground.plan({"TOOL_TOKEN": "hush", "TOOL_PLAIN": "1"})
    assert "The agent can read these secrets of yours: TOOL_TOKEN" in ground.progress.warnings
    assert "Environment: TOOL_PLAIN" in ground.progress.notes
    assert "hush" not in repr((plan, ground.progress))


@pytest.mark.parametrize(
    ("environ", "patterns", "warning"),
    [
        ({"X.Y": "1"}, ("X*",), "X.Y is not carried: it is no name that a shell takes"),
        ({"GH_TOKEN": "t"}, ("GH_*",), "GH_TOKEN is not carried: no pattern forwards a token"),
        ({}, ("OPENAI_API_KEY",), "OPENAI_API_KEY is not carried: the provider's key, and where"),
        ({}, ("NOT_SET",), "NOT_SET is not carried: it is not set"),
        ({"X": "v" * 200_000}, ("X",), "X is not carried: it is longer than 131072 bytes"),
        ({"X\x1b[31m": "1"}, ("X*",), "X\\x1b[31m is not carried"),
    ],
)
async def test_what_can_not_be_carried_is_skipped_with_a_warning(
    ground: Ground, environ: dict[str, str], patterns: tuple[str, ...], warning: str
) -> None:
    plan = await ground.plan(environ, env_forward=patterns)
    assert any(each.startswith(warning) for each in ground.progress.warnings)
    assert not environ.keys() & plan.launch.env.keys()


async def test_a_key_that_an_agents_own_pattern_matches_is_no_matter_of_a_warning(
    ground: Ground,
) -> None:
    plan = await ground.plan()
    assert KEY not in repr(plan.launch.env.values())
    assert not any("OPENAI_API_KEY" in each for each in ground.progress.warnings)


async def test_a_plan_names_everything_that_would_be_carried(ground: Ground) -> None:
    plan = await ground.plan({"TOOL_TOKEN": "hush"})
    message = message_of(plan)
    assert (message.name, message.image) == ("tool", "example.com/tool:latest")
    assert message.command == ("tool", "--fast")
    workspace = message.workspace
    shown = workspace.snapshot
    assert shown is not None
    assert (shown.files, shown.excluded, shown.secret) == (1, 1, 1)
    assert message.network.profile == "standard"
    assert "github.com:443,22" in message.network.hosts
    assert message.network.keys == ("openai",)
    assert message.environment.carried == ("TERM", "TOOL_TOKEN")
    assert message.environment.secrets == ("TOOL_TOKEN",)
    assert message.environment.held_back.keys() == {"OPENAI_API_KEY"}
    assert {"BBOX_SESSION_ID", "GOMEMLIMIT"} <= set(message.environment.set_by_bbox)
    assert message.git is not None
    assert message.git.name == "Ada"
    files = {file.path: (file.source, file.fields_left_out) for file in message.files}
    assert files["~/.tool/settings.json"] == ("~/.tool/settings.json", ("hooks",))
    assert files["~/.gitconfig"] == (None, ())
    assert [each.source for each in message.skipped] == [
        "~/.tool/skills/a/id_rsa",
        "~/.tool/skills/link",
    ]


async def test_a_plan_starts_nothing_and_shows_no_value(ground: Ground) -> None:
    plan = await ground.plan({"TOOL_TOKEN": "hush"})
    text = "\n".join(dry_run_lines(message_of(plan)))
    assert ground.backend.started == []
    for secret in ("hush", KEY, "abc", "placeholder"):
        assert secret not in text + message_of(plan).to_json()
    assert "secrets      TOOL_TOKEN: the agent can read them" in text
    assert "without hooks, list[0].apiKey" in text


async def test_a_plan_shows_the_saved_login_and_saves_none(ground: Ground) -> None:
    path = PurePosixPath(".tool/auth.json")
    ground.agents.agents[0] = replace(TOOL, credential_paths=(path,))
    ground.host_logins.files[path] = b"{}"
    await ground.plan(login=LoginOptions(seed=True))
    assert ground.logins.saved == {}
    ground.logins.saved["tool"] = {path: b"{}"}
    text = "\n".join(dry_run_lines(message_of(await ground.plan())))
    assert "~/.tool/auth.json  2 bytes  (saved login)" in text


async def test_names_in_a_plan_are_shown_escaped(ground: Ground) -> None:
    ground.settings.files[".tool/skills/\x1b[31m"] = b""
    text = "\n".join(dry_run_lines(message_of(await ground.plan())))
    assert "\x1b" not in text


async def test_a_key_is_forwarded_only_where_the_user_spells_it_out(ground: Ground) -> None:
    alone = replace(TOOL, providers=(), files=(), settings=())
    key = {"OPENAI_API_KEY": "sk-real"}
    ground.agents = FakeAgentRegistry([alone])
    plan = await ground.plan(key)
    assert "OPENAI_API_KEY" not in plan.launch.env
    ground.agents = FakeAgentRegistry([replace(alone, own_keys=("OPENAI_API_KEY",))])
    plan = await ground.plan(key)
    assert plan.launch.env["OPENAI_API_KEY"] == "sk-real"
    assert any("OPENAI_API_KEY" in text for text in ground.progress.warnings)


async def test_an_agent_that_has_the_key_itself_does_not_use_the_proxy(ground: Ground) -> None:
    ground.agents = FakeAgentRegistry(
        [replace(TOOL, env_forward=("OPENAI_API_KEY",), own_keys=("OPENAI_API_KEY",))]
    )
    plan = await ground.plan({"OPENAI_API_KEY": "sk-real"})
    assert plan.launch.credentials is None
    assert plan.launch.env["OPENAI_API_KEY"] == "sk-real"
    assert any("OPENAI_API_KEY" in text for text in ground.progress.warnings)


async def test_a_token_that_the_agent_understands_takes_the_place_of_a_key(ground: Ground) -> None:
    ground.agents = FakeAgentRegistry([replace(TOOL, env_forward=("TOOL_*",))])
    plan = await ground.plan({"OPENAI_API_KEY": "", "TOOL_OAUTH_TOKEN": "t"})
    assert plan.launch.credentials is None
    assert ("TOOL_OAUTH_TOKEN", "t") in plan.launch.env.items()


async def test_a_setting_of_the_agent_takes_no_keys_place(ground: Ground) -> None:
    ground.agents = FakeAgentRegistry([replace(TOOL, env_forward=("TOOL_*",))])
    with pytest.raises(BboxError) as caught:
        await ground.plan({"OPENAI_API_KEY": "", "TOOL_THEME": "dark"})
    assert caught.value.code is ErrorCode.CREDENTIAL_MISSING


async def test_the_key_of_an_own_provider_stays_on_the_host(ground: Ground) -> None:
    own = ProviderSection(
        base_url="https://api.acme.dev/v1",
        key="ACME_KEY",
        env={"ACME_URL": "${base_url}", "ACME_TOKEN": "${placeholder}"},
    )
    agent = replace(TOOL, providers=(own.provider("acme"),), env_forward=("ACME_*",), files=())
    ground.agents = FakeAgentRegistry([agent])
    plan = await ground.plan({"ACME_KEY": "sk-real", "OPENAI_API_KEY": ""})
    assert plan.launch.credentials is not None
    (served,) = plan.launch.credentials.routes
    assert (served.route.upstream, served.key.value) == ("https://api.acme.dev/v1", "sk-real")
    assert plan.launch.env["ACME_URL"] == "http://192.168.127.1:4484/own/acme"
    assert "sk-real" not in plan.launch.env.values()


async def test_an_own_provider_without_its_key_is_told(ground: Ground) -> None:
    own = ProviderSection(base_url="https://api.acme.dev", key="ACME_KEY", env={"A": "${base_url}"})
    agent = replace(TOOL, providers=(*TOOL.providers, own.provider("acme")))
    ground.agents = FakeAgentRegistry([agent])
    plan = await ground.plan()
    assert "A" not in plan.launch.env
    assert any("ACME_KEY is not set" in text for text in ground.progress.warnings)


async def test_the_plan_has_the_package_managers_hosts(ground: Ground) -> None:
    assert PACKAGES.rules[0] in (await ground.plan()).launch.policy.rules
