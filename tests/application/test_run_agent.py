# SPDX-License-Identifier: Apache-2.0
"""The run in order, on fakes: what is started, what is carried, what is left behind."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.application.allow_packages import AllowPackages
from bbox_server.application.carry_login import CarryLogin
from bbox_server.application.carry_settings import CarrySettings
from bbox_server.application.configure_run import ConfigureRun
from bbox_server.application.export_trace import ExportTrace
from bbox_server.application.find_credentials import FindCredentials
from bbox_server.application.gather_ingredients import GatherIngredients
from bbox_server.application.open_directly import OpenDirectly
from bbox_server.application.prepare_run import PrepareRun
from bbox_server.application.prune_sessions import KEEP_DAYS, PruneSessions
from bbox_server.application.resolve_config import ResolveConfig
from bbox_server.application.run_agent import RunAgent, RunOutcome, SessionFiles
from bbox_server.application.run_sandbox import MOUNT_DIRECTLY, RunSandbox
from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.agent import Agent, AgentFile, AgentProvider
from bbox_server.domain.credential import OPENAI
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.group import HostGroup
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule, parse_host_rule
from bbox_server.domain.error import BboxError, ErrorCode, first_error
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.identity import GitIdentities, GitIdentity
from bbox_server.domain.image import ImageConfig, RootFilesystem
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.progress import Phase
from bbox_server.domain.run import GitAccess, LoginOptions, ResourceRequest, RunRequest
from bbox_server.domain.session import AfterRun, EventKind, ExitStatus, SessionState
from bbox_server.domain.ssh_agent import KnownHost, KnownHosts, SshHost
from bbox_server.domain.terminal import GuestUser, TerminalSize
from bbox_server.domain.vm import VmEnd
from bbox_server.domain.workspace import Digest, HostPath
from tests.fakes.agent import FakeAgentRegistry, simple_agent
from tests.fakes.config import MemoryConfigFiles, MemoryTrust
from tests.fakes.credential import FakeCredentialProxy, RecordingObserver
from tests.fakes.direct import MemoryAcknowledgements, MemoryDirectWorkspaces
from tests.fakes.egress import FakeNetworkRelay, FakePackageHosts, MemoryKeptRules
from tests.fakes.housekeeping import MemoryStaleFiles
from tests.fakes.image import FakeImageStore, memory_cache
from tests.fakes.login import MemoryHostLogins, MemoryLoginStore
from tests.fakes.overlay import MemoryOverlay, tree
from tests.fakes.session import (
    FakeClock,
    FakeIds,
    FakeTerminal,
    MemorySessionStore,
    RecordingProgress,
)
from tests.fakes.settings import MemorySettings
from tests.fakes.snapshot import MemorySnapshots
from tests.fakes.terminal import FakeProcess, FakeShellConnector
from tests.fakes.trace import MemoryTraceFiles
from tests.fakes.vm import FakeVmBackend
from tests.unit.config.configs import user, workspace

KEY = "sk-real-key-of-the-host"
PACKAGES = HostGroup(
    name="node", reason="Installs.", rules=(HostRule(name="packages.example.org", ports=(443,)),)
)
BUSYBOX = "/run/bbox/busybox"
WORKSPACE = HostPath("/home/user/project")
HOST_CPUS = 4


@dataclass(frozen=True)
class Somebody(GitIdentities):
    remotes: tuple[str, ...]

    @override
    async def find(self, workspace: HostPath) -> GitIdentity:
        return GitIdentity(name="Ada", email="ada@example.invalid", remotes=self.remotes)


class Acquainted(KnownHosts):
    @override
    async def find(self, hosts: Iterable[SshHost]) -> tuple[KnownHost, ...]:
        return tuple(KnownHost(host=host, line="ssh-ed25519 AAAA", key=b"key") for host in hosts)


async def succeed(_: FakeProcess) -> ExitStatus:
    return ExitStatus(code=0)


async def edit(process: FakeProcess) -> ExitStatus:
    """The agent: says something, with a sequence that no terminal may see."""
    await process.output.put(b"working\x1b]52;c;c3RvbGVu\x07\n")
    return ExitStatus(code=3)


@dataclass
class House:
    root: Path
    terminal: FakeTerminal = field(default_factory=FakeTerminal)
    store: MemorySessionStore = field(default_factory=MemorySessionStore)
    snapshots: MemorySnapshots = field(
        default_factory=lambda: MemorySnapshots(
            workspaces={WORKSPACE: {PurePosixPath("a.txt"): b"1", PurePosixPath("a.log"): b"2"}}
        )
    )
    images: FakeImageStore = field(default_factory=FakeImageStore)
    backend: FakeVmBackend = field(default_factory=FakeVmBackend)
    proxy: FakeCredentialProxy = field(default_factory=FakeCredentialProxy)
    relay: FakeNetworkRelay = field(default_factory=FakeNetworkRelay)
    shells: FakeShellConnector = field(
        default_factory=lambda: FakeShellConnector({"agent": edit, "sh": edit, BUSYBOX: succeed})
    )
    observer: RecordingObserver = field(default_factory=RecordingObserver)
    overlay: MemoryOverlay = field(default_factory=lambda: MemoryOverlay(agent=tree({"a": b"1"})))
    progress: RecordingProgress = field(default_factory=RecordingProgress)
    agents: FakeAgentRegistry = field(default_factory=FakeAgentRegistry)
    configs: MemoryConfigFiles = field(default_factory=MemoryConfigFiles)
    settings: MemorySettings = field(default_factory=MemorySettings)
    certificates: bytes = b""
    remotes: tuple[str, ...] = ("https://github.com/ada/tally.git",)
    keep_days: int | None = KEEP_DAYS
    logins: MemoryLoginStore = field(default_factory=MemoryLoginStore)
    acknowledgements: MemoryAcknowledgements = field(default_factory=MemoryAcknowledgements)
    direct: MemoryDirectWorkspaces = field(default_factory=MemoryDirectWorkspaces)
    traces: MemoryTraceFiles = field(default_factory=MemoryTraceFiles)
    network: SteerNetwork = field(default_factory=lambda: SteerNetwork(MemoryKeptRules()))
    packages: FakePackageHosts = field(default_factory=FakePackageHosts)
    host_logins: MemoryHostLogins = field(default_factory=MemoryHostLogins)

    async def run(self, request: RunRequest) -> RunOutcome:
        self.store.root = str(self.root)
        layout = HostPath("/images/agent")
        self.images.layouts[layout] = RootFilesystem(
            path=HostPath("/images/agent.sqfs"),
            digest=Digest("0" * 64),
            config=ImageConfig(env={"FROM_IMAGE": "1"}, cmd=("sh",)),
        )
        for agent in self.agents.agents:
            await self.images.import_layout(layout, agent.image)
        return await self._use_case()(request)

    def _use_case(self) -> RunAgent:
        clock = FakeClock()
        logins = CarryLogin(
            store=self.logins, host=self.host_logins, clock=clock, progress=self.progress
        )
        return RunAgent(
            sessions=self.store,
            files=SessionFiles(
                observer=lambda _directories, _session: self.observer,
                recorder=lambda _directories: self.terminal,
                overlay=lambda _directories, _generation: self.overlay,
            ),
            snapshots=self.snapshots,
            configure=ConfigureRun(
                resolve=ResolveConfig(
                    files=self.configs, trust=MemoryTrust(), built_in=self.agents
                ),
                host_cpus=HOST_CPUS,
            ),
            prepare=PrepareRun(
                gather=GatherIngredients(
                    images=self.images,
                    snapshots=self.snapshots,
                    identities=Somebody(self.remotes),
                    backend=self.backend,
                    progress=self.progress,
                ),
                known_hosts=Acquainted(),
                settings=CarrySettings(source=self.settings, progress=self.progress),
                credentials=FindCredentials(store=self.logins, host=self.host_logins),
                proxy=self.proxy,
                progress=self.progress,
                trusted_certificates=self.certificates,
                logins=logins,
            ),
            sandbox=RunSandbox(
                relay=self.relay,
                proxy=self.proxy,
                backend=self.backend,
                shells=self.shells,
                clock=clock,
                progress=self.progress,
                terminal=self.terminal,
                logins=logins,
                network=self.network,
                packages=AllowPackages(hosts=self.packages),
            ),
            terminal=self.terminal,
            progress=self.progress,
            clock=clock,
            ids=FakeIds(),
            direct=OpenDirectly(
                acknowledgements=self.acknowledgements,
                workspaces=self.direct,
                progress=self.progress,
            ),
            trace=ExportTrace(events=lambda _: (), files=self.traces),
            prune=PruneSessions(
                sessions=self.store,
                snapshots=self.snapshots,
                stale=MemoryStaleFiles(),
                cache=memory_cache(),
                clock=clock,
                keep_days=self.keep_days,
            ),
        )


def home_of(house: House) -> dict[str, tuple[bytes, int]]:
    """What the last guest found in its agent's home, at its first instruction."""
    home = house.backend.started[-1].spec.guest.home
    return {str(file.path): (file.content, file.mode) for file in home}


@pytest.fixture
def house(sandbox_dir: Path) -> House:
    house = House(root=sandbox_dir)
    house.agents.agents.append(simple_agent("agent"))
    return house


def a_request(**changes: object) -> RunRequest:
    fields: dict[str, object] = {
        "agent": "agent",
        "image": "",
        "program": None,
        "arguments": ("--fast",),
        "workspace": WORKSPACE,
        "environ": {"OPENAI_API_KEY": KEY, "TERM": "xterm", "HOME": "/home/user"},
    }
    return RunRequest(**{**fields, **changes})  # type: ignore[arg-type]  # the tests' own names


async def test_states_are_saved_in_order_up_to_the_review(house: House) -> None:
    outcome = await house.run(a_request())
    assert outcome.exit == ExitStatus(code=3)
    assert list(dict.fromkeys(house.store.states)) == [
        SessionState.PREPARING,
        SessionState.STARTING,
        SessionState.RUNNING,
        SessionState.STOPPING,
        SessionState.REVIEWING,
    ]
    announced = [f["state"] for k, f in house.observer.events if k is EventKind.STATE]
    assert announced == ["preparing", "starting", "running", "stopping", "reviewing"]


async def test_a_run_without_changes_is_done_and_holds_nothing(house: House) -> None:
    house.overlay.agent = {}
    await house.run(a_request())
    assert house.store.states[-1] is SessionState.DONE
    assert house.snapshots.held == {}


async def test_a_terminal_gets_filtered_output_and_a_pipe_gets_it_raw(house: House) -> None:
    await house.run(a_request())
    assert house.terminal.shown == b"working\x1b]52;c;c3RvbGVu\x07\n"
    house.terminal = FakeTerminal(columns_rows=TerminalSize(columns=80, rows=24))
    await house.run(a_request())
    assert b"c3RvbGVu" not in house.terminal.shown
    assert house.terminal.shown.startswith(b"working")
    assert not house.terminal.is_attached


async def test_the_guest_gets_a_placeholder_and_never_the_key(house: House) -> None:
    house.agents.agents[0] = _with_provider(house.agents.agents[0])
    await house.run(a_request())
    shell = house.shells.shells[0]
    env = shell.processes[0].command.env
    assert env["OPENAI_API_KEY"].startswith("placeholder")
    assert env["OPENAI_BASE_URL"] == "http://192.168.127.1:4484/openai/v1"
    config = house.backend.started[0].spec.guest
    everything = repr((env, home_of(house), config, house.observer.events))
    assert KEY not in everything
    assert b"placeholder" in home_of(house)["agent.toml"][0]


async def test_the_provider_is_not_in_the_guests_own_allow_list(house: House) -> None:
    house.agents.agents[0] = _with_provider(house.agents.agents[0])
    await house.run(a_request())
    policy = house.relay.running[0].spec.policy
    assert not policy.knows("api.openai.com")
    assert policy.knows("github.com")


async def test_package_managers_hosts_are_let_in_before_the_agent_starts(house: House) -> None:
    house.packages = FakePackageHosts(PACKAGES)
    seen: list[bool] = []

    async def look(process: FakeProcess) -> ExitStatus:
        seen.append(house.relay.running[-1].policy.knows("packages.example.org"))
        return await succeed(process)

    house.shells = FakeShellConnector({"agent": look, "sh": look, BUSYBOX: succeed})
    await house.run(a_request())
    assert not house.relay.running[-1].spec.policy.knows("packages.example.org")
    for profile in (EgressProfile.LOCKED, EgressProfile.PERMISSIVE):
        extra = (HostRule(name="a.dev", ports=(443,)),)
        await house.run(a_request(egress_profile=profile, allow_hosts=extra))
        assert PACKAGES.rules[0] not in house.relay.running[-1].policy.rules
    assert seen == [True, False, True]
    assert house.shells.is_warm


async def test_a_relay_that_is_lost_while_packages_are_asked_for_is_no_failure(
    house: House,
) -> None:
    class Killing(FakePackageHosts):
        @override
        async def groups(self) -> tuple[HostGroup, ...]:
            house.relay.running[-1].crash()
            return await super().groups()

    house.packages = Killing(PACKAGES)
    await house.run(a_request())
    assert any("no network" in text for text in house.progress.warnings)


async def test_a_missing_key_is_told_before_anything_starts(house: House) -> None:
    house.agents.agents[0] = _with_provider(house.agents.agents[0])
    with pytest.raises(BboxError) as raised:
        await house.run(a_request(environ={}))
    assert raised.value.code is ErrorCode.CREDENTIAL_MISSING
    assert house.backend.started == []
    assert house.store.states[-1] is SessionState.FAILED


async def test_an_unknown_agent_leaves_no_session(house: House) -> None:
    with pytest.raises(BboxError):
        await house.run(a_request(agent="agnt"))
    assert house.store.records == {}


async def test_a_failed_snapshot_is_the_failure_of_the_session(house: House) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await house.run(a_request(workspace=HostPath("/nowhere")))
    found = first_error(raised.value)
    assert found is not None
    assert found.code is ErrorCode.WORKSPACE_INVALID
    record = next(iter(house.store.records.values()))
    assert record.state is SessionState.FAILED
    assert record.failure is not None
    assert record.failure.cause == found.cause


async def test_a_guest_that_is_lost_goes_to_review(house: House) -> None:
    async def lose(process: FakeProcess) -> ExitStatus:
        await process.lose()
        return ExitStatus(code=0)

    house.shells = FakeShellConnector({"agent": lose})
    with pytest.raises((BboxError, ExceptionGroup)):
        await house.run(a_request())
    record = next(iter(house.store.records.values()))
    assert record.state is SessionState.REVIEWING
    assert record.failure is not None
    assert record.failure.code == "guest.lost"


async def test_a_cancelled_run_goes_to_review_and_ends_its_vm(house: House) -> None:
    running = asyncio.Event()

    async def forever(_: FakeProcess) -> ExitStatus:
        running.set()
        await asyncio.Event().wait()
        return ExitStatus(code=0)

    house.shells = FakeShellConnector({"agent": forever})
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(house.run(a_request()))
        await running.wait()
        run.cancel()
    assert house.store.states[-1] is SessionState.REVIEWING
    assert (await house.backend.started[0].wait()).end is VmEnd.POWERED_OFF


async def test_an_agent_that_ran_out_of_memory_is_told_so(house: House) -> None:
    async def starve(_: FakeProcess) -> ExitStatus:
        house.backend.started[0].kill_for_memory("agent")
        return ExitStatus(code=None, signal="KILL")

    house.shells = FakeShellConnector({"agent": starve})
    assert (await house.run(a_request())).exit.out_of_memory


async def test_a_relay_that_dies_is_told(house: House) -> None:
    async def crash(_: FakeProcess) -> ExitStatus:
        house.relay.running[0].crash()
        return ExitStatus(code=0)

    house.shells = FakeShellConnector({"agent": crash})
    await house.run(a_request())
    assert house.progress.warnings[-1].startswith("The guest has no network any more")
    assert EventKind.WARNING in [kind for kind, _ in house.observer.events]


async def test_an_image_runs_its_own_command_where_none_is_given(house: House) -> None:
    await house.run(a_request(agent=None, image="oci:/images/agent", arguments=()))
    assert house.shells.shells[0].processes[0].command.argv == ("sh",)
    assert next(iter(house.store.records.values())).agent == "agent"


async def test_what_the_user_asks_for_wins_over_the_agents_wishes(house: House) -> None:
    wish = ResourceRequest(cpus=2, memory_mib=512, tmp_size_mib=64)
    rule = parse_host_rule("example.org:8443")
    await house.run(
        a_request(resources=wish, excludes=("a.log",), allow_hosts=(rule,), program="sh")
    )
    resources = house.backend.started[0].spec.resources
    assert (resources.cpus, resources.memory_mib, resources.tmp_size_mib) == (2, 512, 64)
    assert list(house.snapshots.generations.values()) == [{PurePosixPath("a.txt"): b"1"}]
    assert house.relay.running[0].policy.decide("example.org", 8443).reason is None
    assert house.shells.shells[0].processes[0].command.argv == ("sh", "--fast")


async def test_variables_are_carried_by_pattern_and_keys_and_tokens_never(house: House) -> None:
    house.agents.agents[0] = replace(house.agents.agents[0], env_forward=("AGENT_*", "OPENAI_*"))
    environ = {
        "AGENT_MODE": "fast",
        "OPENAI_API_KEY": KEY,
        "GH_TOKEN": "token",
        "MINE": "1",
        "OTHER": "2",
        "BBOX_HOME": "/forged",
        "BBOX_X.Y": "no name of a shell",
    }
    await house.run(a_request(environ=environ, env_forward=("MINE", "GH_*", "BBOX_*")))
    env = house.shells.shells[0].processes[0].command.env
    assert (env["AGENT_MODE"], env["MINE"]) == ("fast", "1")
    assert env["BBOX_HOME"] == "/home/sandbox"
    assert not {"OPENAI_API_KEY", "GH_TOKEN", "OTHER", "BBOX_X.Y"} & env.keys()


async def test_the_hosts_certificates_are_trusted_where_there_are_some(house: House) -> None:
    house.certificates = b"-----BEGIN CERTIFICATE-----"
    await house.run(a_request())
    env = house.shells.shells[0].processes[0].command.env
    assert env["SSL_CERT_FILE"] == env["PIP_CERT"] == "/run/bbox/ca-certificates.crt"
    assert house.backend.started[0].spec.guest.trusted_certificates == house.certificates


async def test_every_phase_that_starts_is_finished(house: House) -> None:
    await house.run(a_request())
    started = [phase for what, phase in house.progress.phases if what == "started"]
    finished = [phase for what, phase in house.progress.phases if what == "finished"]
    assert set(started) == set(finished)
    assert Phase.START_VM in started


async def test_a_trace_is_written_when_it_is_asked_for_and_never_fails_the_run(
    house: House,
) -> None:
    await house.run(a_request())
    assert house.traces.written == {}
    await house.run(a_request(trace=True))
    assert len(house.traces.written) == 1
    house.traces.is_full = True
    assert (await house.run(a_request(trace=True))).exit == ExitStatus(code=3)
    assert house.progress.warnings[-1] == "There is no trace: There is no room."


async def test_a_saved_login_takes_the_place_of_a_key(house: House) -> None:
    auth = PurePosixPath(".agent/auth.json")
    agent = replace(_with_provider(house.agents.agents[0]), credential_paths=(auth,))
    house.agents.agents[0] = agent
    house.logins.saved = {"agent": {auth: b"sekrit"}}
    await house.run(a_request(environ={}))
    assert home_of(house)[".agent/auth.json"] == (b"sekrit", 0o600)
    note = "Saved login carried into the guest: .agent/auth.json"
    assert note in house.progress.notes
    assert "sekrit" not in repr((house.progress, house.observer.events))


async def test_who_wants_to_log_in_inside_needs_no_key(house: House) -> None:
    house.agents.agents[0] = _with_provider(house.agents.agents[0])
    await house.run(a_request(environ={}, login=LoginOptions(inside=True)))
    assert house.relay.running[0].spec.policy.knows("api.openai.com")
    assert house.proxy.running == []


async def test_direct_mode_wants_an_acknowledgement_once_for_each_workspace(house: House) -> None:
    direct = a_request(mode=WorkspaceMode.DIRECT)
    with pytest.raises(BboxError) as raised:
        await house.run(direct)
    assert raised.value.code is ErrorCode.WORKSPACE_NOT_ACKNOWLEDGED
    assert house.store.records == {}
    await house.run(replace(direct, acknowledged=True))
    await house.run(direct)
    with pytest.raises(BboxError):
        await house.run(replace(direct, workspace=HostPath("/home/user/other")))
    assert len(house.backend.started) == 2


async def test_direct_mode_shares_the_workspace_and_leaves_nothing_to_review(house: House) -> None:
    outcome = await house.run(a_request(mode=WorkspaceMode.DIRECT, acknowledged=True))
    share = house.backend.started[0].spec.share
    assert (share.is_direct, share.lower) == (True, WORKSPACE)
    assert house.snapshots.taken == 0
    assert outcome.changes.changes == ()
    assert house.store.states[-1] is SessionState.DONE
    assert house.progress.warnings[-1].startswith("Direct mode: the agent writes to /home/user/")
    root, agent = house.shells.shells
    assert (root.user, root.processes[0].command) == (GuestUser.ROOT, MOUNT_DIRECTLY)
    assert agent.user is GuestUser.AGENT


async def test_a_workspace_that_can_not_be_mounted_runs_no_agent(house: House) -> None:
    async def refuse(process: FakeProcess) -> ExitStatus:
        await process.errors.put(b"mount: no \x1b[2J device")
        return ExitStatus(code=1)

    house.shells = FakeShellConnector({"agent": edit, BUSYBOX: refuse})
    with pytest.raises(ExceptionGroup) as raised:
        await house.run(a_request(mode=WorkspaceMode.DIRECT, acknowledged=True))
    failure = first_error(raised.value)
    assert failure is not None
    assert failure.code is ErrorCode.SHARE_FAILED
    assert "no \\x1b[2J device" in failure.cause
    assert len(house.shells.shells) == 1
    assert house.store.states[-1] is SessionState.FAILED


async def test_a_direct_run_that_the_user_stops_is_done(house: House) -> None:
    running = asyncio.Event()

    async def forever(_: FakeProcess) -> ExitStatus:
        running.set()
        await asyncio.Event().wait()
        return ExitStatus(code=0)

    house.shells = FakeShellConnector({"agent": forever, BUSYBOX: succeed})
    async with asyncio.TaskGroup() as tasks:
        request = a_request(mode=WorkspaceMode.DIRECT, acknowledged=True)
        run = tasks.create_task(house.run(request))
        await running.wait()
        run.cancel()
    assert house.store.states[-1] is SessionState.DONE


async def test_nothing_can_be_excluded_from_a_direct_share(house: House) -> None:
    with pytest.raises(BboxError, match="excluded in direct mode"):
        await house.run(a_request(mode=WorkspaceMode.DIRECT, excludes=("x",), acknowledged=True))
    assert house.acknowledgements.known == set()


async def test_keys_that_are_kept_on_the_disk_are_warned_of(house: House) -> None:
    await house.run(a_request())
    assert not any("will keep the session's keys" in said for said in house.progress.warnings)
    house.keep_days = None
    await house.run(a_request())
    assert any("will keep the session's keys" in said for said in house.progress.warnings)


def _with_provider(agent: Agent) -> Agent:
    return replace(
        agent,
        providers=(
            AgentProvider(
                id=OPENAI.provider,
                hosts=(parse_host_rule("api.openai.com:443"),),
                env={
                    "OPENAI_API_KEY": "${openai_placeholder}",
                    "OPENAI_BASE_URL": "${openai_base_url}",
                },
            ),
        ),
        files=(
            AgentFile(path=PurePosixPath("agent.toml"), template="key = '${openai_placeholder}'"),
        ),
    )


async def test_a_git_token_is_served_only_when_it_is_asked_for(house: House) -> None:
    environ = {"GITHUB_TOKEN": "ghp_secret", "TERM": "xterm"}
    await house.run(a_request(environ=environ, env_forward=("GITHUB_*",)))
    assert house.proxy.specs == []
    await house.run(a_request(environ=environ, git=GitAccess(token=True)))
    (spec,) = house.proxy.specs
    assert [served.route.mount for served in spec.routes] == ["/git/ada/tally.git"]
    shell = house.shells.shells[-1]
    config, _ = home_of(house)[".gitconfig"]
    assert b"insteadOf = https://github.com/ada/tally.git" in config
    given = repr((home_of(house), [process.command for process in shell.processes]))
    assert "ghp_secret" not in given
    assert ("BBOX_GIT_TOKEN_AVAILABLE", "1") in shell.processes[0].command.env.items()


async def test_an_ssh_agent_is_lent_for_the_remotes_alone(house: House) -> None:
    house.remotes = ("git@forge.example.org:ada/tally.git",)
    environ = {"SSH_AUTH_SOCK": "/run/agent", "TERM": "xterm"}
    await house.run(a_request(environ=environ))
    assert "SSH_AUTH_SOCK" not in house.shells.shells[-1].processes[0].command.env
    await house.run(a_request(environ=environ, git=GitAccess(ssh_agent=True)))
    shell = house.shells.shells[-1]
    env = shell.processes[0].command.env
    assert ("SSH_AUTH_SOCK", "/home/sandbox/.ssh/bbox-agent") in env.items()
    assert ("BBOX_SSH_AGENT_AVAILABLE", "1") in env.items()
    known, _ = home_of(house)[".ssh/known_hosts"]
    assert known == b"forge.example.org ssh-ed25519 AAAA\n"
    policy = house.relay.running[-1].policy
    assert ("forge.example.org", (22,)) in [(rule.name, rule.ports) for rule in policy.rules]
    uses = [f["provider"] for k, f in house.observer.events if k is EventKind.CREDENTIAL_USED]
    assert uses == ["ssh-agent:forge.example.org"]
    assert shell.agents == {}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("git: {forward_token: true}", "No GitHub token for the guest: No remote"),
        ("git: {forward_ssh_agent: true}", "No SSH agent for the guest: No remote"),
    ],
)
async def test_what_a_config_lets_in_need_not_have_a_use(
    house: House, config: str, said: str
) -> None:
    house.remotes = ()
    house.configs.mine = user(config)
    environ = {"GITHUB_TOKEN": "ghp_secret", "SSH_AUTH_SOCK": "/run/agent"}
    await house.run(a_request(environ=environ))
    assert any(said in text for text in house.progress.notes)
    assert house.proxy.specs == []


@pytest.mark.parametrize("git", [GitAccess(token=True), GitAccess(ssh_agent=True)])
async def test_what_is_asked_for_must_have_a_use(house: House, git: GitAccess) -> None:
    house.remotes = ()
    environ = {"GITHUB_TOKEN": "ghp_secret", "SSH_AUTH_SOCK": "/run/agent"}
    with pytest.raises(BboxError) as caught:
        await house.run(a_request(environ=environ, git=git))
    assert caught.value.code is ErrorCode.CREDENTIAL_MISSING


def configured(house: House, mine: str, theirs: str = "") -> None:
    house.configs.mine, house.configs.theirs = user(mine), workspace(theirs)


async def test_what_is_configured_is_what_runs(house: House) -> None:
    configured(
        house,
        "defaults: {cpus: 3, memory: 3g}\n"
        "review: {auto_accept: true, exclude_patterns: [a.log]}\n"
        "agents: {agent: {command: [sh], default_env: {A: b}}}",
    )
    outcome = await house.run(a_request())
    spec = house.backend.started[0].spec
    assert (spec.resources.cpus, spec.resources.memory_mib) == (3, 3072)
    (process,) = house.shells.shells[0].processes
    assert process.command.argv == ("sh", "--fast")
    assert process.command.env["A"] == "b"
    (given,) = house.snapshots.generations.values()
    assert given.keys() == {PurePosixPath("a.txt")}
    assert house.store.records[outcome.session].after is AfterRun.APPLY


async def test_what_a_workspace_asks_for_is_said_at_once_and_in_the_events(house: House) -> None:
    configured(house, "", "defaults: {memory: 64g}\nnope: 1")
    await house.run(a_request())
    assert any("modifies sandbox settings" in text for text in house.progress.warnings)
    said = [fields for kind, fields in house.observer.events if kind is EventKind.WARNING]
    assert [fields["finding"] for fields in said] == ["invalid", "widens"]
    assert ".broodbox.yaml:1:12" in str(said[1]["text"])


async def test_an_agent_of_the_users_own_reaches_exactly_its_hosts(house: House) -> None:
    configured(
        house,
        "agents: {acme: {image: example.com/agent, command: [sh],"
        " egress_hosts: {standard: [{name: a.dev}], permissive: []}}}",
    )
    await house.run(a_request(agent="acme"))
    policy = house.relay.running[-1].spec.policy
    assert [rule.name for rule in policy.rules] == ["a.dev"]
    await house.run(a_request(agent="acme", egress_profile=EgressProfile.PERMISSIVE))
    assert house.relay.running[-1].spec.policy.is_permissive


async def test_a_profile_that_a_workspace_tightens_to_nothing_is_no_failure(house: House) -> None:
    mine = (
        "agents: {acme: {image: example.com/agent, command: [sh],"
        " egress_hosts: {standard: [{name: a.dev}]}}}"
    )
    configured(house, mine, "agents: {acme: {egress_profile: locked}}")
    await house.run(a_request(agent="acme"))
    policy = house.relay.running[-1].spec.policy
    assert (policy.profile, policy.rules) == (EgressProfile.LOCKED, ())
    assert any("no host is allowed" in text for text in house.progress.warnings)


async def test_a_profile_that_is_asked_for_without_hosts_is_refused(house: House) -> None:
    with pytest.raises(BboxError) as raised:
        await house.run(a_request(egress_profile=EgressProfile.LOCKED))
    assert raised.value.code is ErrorCode.EGRESS_INVALID_RULE


async def test_services_of_the_host_are_the_user_s_and_are_shown(house: House) -> None:
    mine = "network: {services: [{name: tickets, port: 8080}]}"
    configured(house, mine, "network: {services: [{name: db, port: 5432}], proxy: 'http://evil'}")
    more = HostService(name="wiki", port=8081)
    await house.run(a_request(services=(more,), egress_profile=EgressProfile.LOCKED))
    spec = house.relay.running[0].spec
    assert spec.host_services == (HostService(name="tickets", port=8080), more)
    assert (spec.policy.rules, spec.proxy) == ((), None)
    assert (
        "Service tickets: port 8080 of this host is http://tickets.bbox.internal:8080 in the "
        "guest" in house.progress.notes
    )


async def test_two_services_of_one_name_are_refused(house: House) -> None:
    configured(house, "network: {services: [{name: tickets, port: 8080}]}")
    with pytest.raises(BboxError) as raised:
        await house.run(a_request(services=(HostService(name="tickets", port=1),)))
    assert raised.value.code is ErrorCode.EGRESS_INVALID_RULE


async def test_forwarded_ports_reach_the_relay_and_are_shown(house: House) -> None:
    forward = PortForward(host_port=8080, guest_port=3000)
    await house.run(a_request(forwards=(forward,)))
    assert house.relay.running[0].spec.forwards == (forward,)
    assert "Port 3000 of the guest is http://127.0.0.1:8080 on this host" in house.progress.notes


@pytest.mark.parametrize(
    ("config", "proxy"), [("", "env.corp"), ("network: {proxy: 'http://mine.corp'}", "mine.corp")]
)
async def test_the_way_out_is_the_users_own(house: House, config: str, proxy: str) -> None:
    configured(house, config)
    environ = {**a_request().environ, "HTTPS_PROXY": "http://env.corp:3128"}
    await house.run(a_request(environ=environ))
    found = house.relay.running[0].spec.proxy
    assert found is not None
    assert found.host == proxy
    assert any(f"by the proxy {proxy}" in text for text in house.progress.notes)


async def test_a_proxy_that_can_not_be_used_is_said(house: House) -> None:
    environ = {**a_request().environ, "ALL_PROXY": "socks5://u:hunter2@a:1"}
    await house.run(a_request(environ=environ))
    assert house.relay.running[0].spec.proxy is None
    assert any("go out directly" in text for text in house.progress.warnings)
    assert "hunter2" not in str(house.progress.warnings)


async def test_the_limits_of_keys_reach_the_proxy(house: House) -> None:
    house.agents.agents[0] = _with_provider(house.agents.agents[0])
    configured(house, "keys: {requests: 7}", "keys: {requests_per_minute: 3, requests: 70}")
    await house.run(a_request())
    (spec,) = house.proxy.specs
    assert spec.limits == KeyLimits(requests=7, requests_per_minute=3)
