# SPDX-License-Identifier: Apache-2.0
"""Decide everything about a run before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bbox_server.application.carry_login import CarryLogin, login_files
from bbox_server.application.carry_settings import CarrySettings, with_settings
from bbox_server.application.configure_run import ConfiguredRun
from bbox_server.application.find_credentials import FindCredentials
from bbox_server.application.gather_ingredients import GatherIngredients, Ingredients
from bbox_server.application.guest_environment import (
    check_required,
    forwarded_variables,
    guest_environment,
    has_own_credential,
    own_variables,
    tell_forwarded,
)
from bbox_server.application.join_network import join_network, tell_ways
from bbox_server.application.lend_git import LendGit, LentGit
from bbox_server.domain.agent import (
    Access,
    Agent,
    ProviderAccess,
)
from bbox_server.domain.carried import Carried
from bbox_server.domain.credential import (
    GATEWAY_PORT,
    CredentialProxy,
    CredentialProxySpec,
    PlaceholderToken,
    ServedRoute,
)
from bbox_server.domain.egress.group import BUILT_IN_GROUPS, rules_of
from bbox_server.domain.egress.policy import EgressPolicy, resolve_policy, with_rules
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import GATEWAY_ADDRESS
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.environment import ForwardedVariables, RunFacts
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.identity import (
    GitIdentity,
    author_environment,
)
from bbox_server.domain.image import RootFilesystem
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.launch import GUEST_HOME, GUEST_WORKSPACE, Launch, NetworkWays
from bbox_server.domain.login import CarriedLogin
from bbox_server.domain.progress import Phase, ProgressObserver
from bbox_server.domain.run import ResourceRequest, RunRequest
from bbox_server.domain.session import SessionDirectories, SessionId
from bbox_server.domain.ssh_agent import (
    NO_KNOWN_HOSTS,
    KnownHosts,
)
from bbox_server.domain.vm import Accelerator, VmResources
from bbox_server.domain.workspace import below

PROXY_SOCKET: Final = "credentials"
# A run of an image without an agent: enough for a shell and a compiler.
IMAGE_MEMORY_MIB: Final = 2048
AGENT_CPUS: Final = 2
# More guest CPUs than one cost 1.3 s of boot under emulation (guest.md, Numbers).
EMULATED_CPUS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secrets:
    """What of the user's the agent may use, and how.

    Attributes:
        login: Goes into the guest; what is served does not.
    """

    login: CarriedLogin | None
    forwarded: ForwardedVariables
    served: tuple[ServedRoute, ...]
    placeholder: PlaceholderToken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What a launch is put together from."""

    secrets: _Secrets
    found: Ingredients
    git: LentGit
    proxy: CredentialProxySpec | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareRun:
    """Resolves agent, keys, image, snapshot, network policy, resources and environment."""

    gather: GatherIngredients
    settings: CarrySettings
    credentials: FindCredentials
    proxy: CredentialProxy
    progress: ProgressObserver
    trusted_certificates: bytes
    logins: CarryLogin
    known_hosts: KnownHosts = NO_KNOWN_HOSTS

    async def __call__(
        self, run: ConfiguredRun, session: SessionId, directories: SessionDirectories
    ) -> Launch:
        """Decide.

        Raises:
            BboxError: credential.missing, image.*, snapshot.*, workspace.invalid,
                egress.invalid-rule, dependency.missing, environment.missing,
                settings.missing: all before anything was started.
        """
        self.progress.started(Phase.PREPARE, "Preparing")
        request, agent = run.request, run.agent
        secrets = self._secrets(request, agent)
        found = await self.gather(request, agent)
        lend_git = LendGit(known_hosts=self.known_hosts, progress=self.progress)
        git = await lend_git(request, found.identity)
        proxy = _proxy_spec(secrets, git, directories, run.config.keys)
        parts = _Parts(secrets=secrets, found=found, git=git, proxy=proxy)
        launch = await self._launch(run, parts, session)
        tell_forwarded(request, secrets.forwarded, self.progress)
        self._tell_approvals(request, agent)
        self._tell(launch, agent, secrets.served)
        lend_git.tell(git)
        self.progress.finished(Phase.PREPARE, "Prepared")
        return launch

    def _secrets(self, request: RunRequest, agent: Agent | None) -> _Secrets:
        """What of the user's the agent may use. Raises: credential.*, environment.missing."""
        login = self.logins.load(agent, request.login)
        check_required(request, agent)
        forwarded = forwarded_variables(request, agent)
        found = self.credentials(agent, request.environ, request.login)
        has_login = _has_login(login, request) or has_own_credential(agent, forwarded)
        return _Secrets(
            login=login,
            forwarded=forwarded,
            served=found.or_login(has_login=has_login),
            placeholder=self.proxy.new_placeholder(),
        )

    async def _launch(self, run: ConfiguredRun, parts: _Parts, session: SessionId) -> Launch:
        """Put it together. Raises: cli.usage, egress.invalid-rule, settings.missing."""
        request, agent = run.request, run.agent
        secrets, found, git = parts.secrets, parts.found, parts.git
        access = _access(secrets.served, secrets.placeholder)
        resources = _resources(request.resources, agent, found.verdict.accelerator)
        files = agent.guest_files(access, GUEST_WORKSPACE) if agent else ()
        settings = await self.settings(request, agent, files)
        own = own_variables(
            agent,
            access,
            _facts(agent, session, git),
            has_certificates=bool(self.trusted_certificates),
        )
        ways = join_network(run, self.progress)
        shares = _shares(agent, resources, found.identity)
        return Launch(
            argv=_command(request, agent, found.root),
            env=guest_environment(secrets.forwarded, agent, shares, own, ask=request.ask),
            directory=_directory(agent, found.root),
            files=(
                *git.files(secrets.placeholder),
                *login_files(secrets.login),
                # Last: where both write a file, ours counts.
                *with_settings(files, settings),
            ),
            root=found.root,
            snapshot=found.snapshot,
            resources=resources,
            policy=_policy(run, ways, secrets.served, git),
            opens_packages=_opens_packages(run),
            ways=ways,
            credentials=parts.proxy,
            trusted_certificates=self.trusted_certificates,
            ssh_agent=git.agent,
            login=secrets.login,
            carried=Carried(
                variables=secrets.forwarded.names,
                secrets=secrets.forwarded.secrets,
                held_back=secrets.forwarded.held_back,
                settings=settings,
                identity=found.identity,
            ),
        )

    def _tell_approvals(self, request: RunRequest, agent: Agent | None) -> None:
        """Who says yes to what the agent does: nobody inside, unless the user wants that."""
        if agent is None or not agent.works_unattended or request.program is not None:
            return
        self.progress.noted(
            f"{agent.name} asks before it acts, as it does without bbox"
            if request.ask
            else f"{agent.name} works without asking and without a sandbox of its own: "
            "the microVM is its sandbox (--ask: it asks)"
        )

    def _tell(self, launch: Launch, agent: Agent | None, served: tuple[ServedRoute, ...]) -> None:
        """What a user must know before the agent starts."""
        keys = ", ".join(one.route.provider for one in served if one.login is None)
        stays = f"; the key for {keys} stays on this host" if keys else ""
        self.progress.noted(f"Network: {launch.policy.profile}{stays}")
        tell_ways(launch.ways, self.progress)
        for one in served:
            if one.login is not None:
                self.progress.noted(
                    f"Login for {one.route.provider}: {one.login.shown_place}; it stays on this "
                    "host, and is renewed here"
                )
        for name in _unset_keys(agent, served):
            self.progress.warned(f"{name} is not set: its provider in your config is not served")
        if not launch.policy.is_permissive and not launch.policy.rules:
            self.progress.warned(f"In {launch.policy.profile} no host is allowed: see --allow-host")
        if launch.login is not None and launch.login.files:
            names = ", ".join(str(file.path) for file in launch.login.files)
            self.progress.noted(f"Saved login carried into the guest: {names}")


def _facts(agent: Agent | None, session: SessionId, git: LentGit) -> RunFacts:
    return RunFacts(
        agent=agent.name if agent else "",
        workspace=GUEST_WORKSPACE,
        home=GUEST_HOME,
        session=session,
        has_git_token=bool(git.routes),
        has_ssh_agent=git.agent is not None,
    )


def _shares(agent: Agent | None, resources: VmResources, identity: GitIdentity) -> dict[str, str]:
    """What stands where the user's environment says nothing: caps, and who commits."""
    caps = agent.memory.environment(resources.memory_mib) if agent else {}
    return {**caps, **author_environment(identity)}


def _has_login(login: CarriedLogin | None, request: RunRequest) -> bool:
    """Whether the agent can do without a key: it is logged in, or will be."""
    return request.login.inside or bool(login and login.files)


def _unset_keys(agent: Agent | None, served: tuple[ServedRoute, ...]) -> tuple[str, ...]:
    """Variables that the user's own providers wait for."""
    there = {one.route.provider for one in served}
    routes = (one.own_route for one in (agent.providers if agent else ()) if one.id not in there)
    names = (route.credential.environment_names for route in routes if route is not None)
    own = agent.own_keys if agent else ()
    return tuple(name for each in names for name in each if name not in own)


def _access(served: tuple[ServedRoute, ...], placeholder: PlaceholderToken) -> Access:
    base = f"http://{GATEWAY_ADDRESS}:{GATEWAY_PORT}"
    return {
        one.route.provider: ProviderAccess(base_url=base + one.route.mount, placeholder=placeholder)
        for one in served
    }


def _proxy_spec(
    secrets: _Secrets, git: LentGit, directories: SessionDirectories, limits: KeyLimits
) -> CredentialProxySpec | None:
    served = (*secrets.served, *git.routes)
    if not served:
        return None
    return CredentialProxySpec(
        socket=below(directories.runtime, PROXY_SOCKET),
        placeholder=secrets.placeholder,
        routes=served,
        limits=limits,
    )


def _resources(
    request: ResourceRequest, agent: Agent | None, accelerator: Accelerator
) -> VmResources:
    cpus = agent.resources.cpus if agent else AGENT_CPUS
    if accelerator is Accelerator.TCG:
        cpus = EMULATED_CPUS
    memory_mib = agent.resources.memory_mib if agent else IMAGE_MEMORY_MIB
    return VmResources(
        cpus=request.cpus or cpus,
        memory_mib=request.memory_mib or memory_mib,
        tmp_size_mib=request.tmp_size_mib or 0,
    )


def _command(request: RunRequest, agent: Agent | None, root: RootFilesystem) -> tuple[str, ...]:
    if request.program is not None:
        return (request.program, *request.arguments)
    if agent is not None:
        return agent.argv(request.arguments, ask=request.ask)
    command = root.config.command(request.arguments)
    if command:
        return command
    raise BboxError(
        ErrorCode.CLI_USAGE,
        cause=f"The image {request.image} names no command of its own.",
        remediation="Say what to run: `bbox run --image REF -- COMMAND`.",
    )


def _directory(agent: Agent | None, root: RootFilesystem) -> str:
    return GUEST_WORKSPACE if agent or not root.config.workdir else root.config.workdir


def _policy(
    run: ConfiguredRun,
    ways: NetworkWays,
    served: tuple[ServedRoute, ...],
    git: LentGit,
) -> EgressPolicy:
    extra = (*git.rules, *run.request.allow_hosts)
    # What a config tightens to nothing is nothing, and no reason not to run (P-26).
    has_some = bool(served or git.routes or extra or ways.services)
    may_be_empty = has_some or not run.profile_is_asked
    hosts = _hosts(run.agent, served)
    return with_rules(resolve_policy(_profile(run), hosts, has_services=may_be_empty), extra)


def _profile(run: ConfiguredRun) -> EgressProfile:
    return run.request.egress_profile or EgressProfile.STANDARD


def _opens_packages(run: ConfiguredRun) -> bool:
    """Where the agent's own hosts are listed, they are all."""
    has_list = run.agent is not None and bool(run.agent.egress_hosts)
    return _profile(run) is EgressProfile.STANDARD and not has_list


def _hosts(
    agent: Agent | None, served: tuple[ServedRoute, ...]
) -> Mapping[EgressProfile, tuple[HostRule, ...]]:
    if agent is not None and agent.egress_hosts:
        return agent.egress_hosts
    own = agent.locked_hosts(frozenset(one.route.provider for one in served)) if agent else ()
    return {
        EgressProfile.LOCKED: own,
        EgressProfile.STANDARD: (*own, *rules_of(BUILT_IN_GROUPS)),
    }
