# SPDX-License-Identifier: Apache-2.0
"""Decide everything about a run before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bbox_server.application.carry_login import CarryLogin, login_files
from bbox_server.application.carry_settings import CarrySettings, with_settings
from bbox_server.application.configure_run import ConfiguredRun
from bbox_server.application.gather_ingredients import GatherIngredients
from bbox_server.application.guest_environment import (
    check_required,
    forwarded_variables,
    guest_environment,
    has_own_credential,
    own_variables,
    tell_forwarded,
)
from bbox_server.application.lend_git import LendGit, LentGit
from bbox_server.domain.agent import (
    Access,
    Agent,
    ProviderAccess,
)
from bbox_server.domain.carried import Carried
from bbox_server.domain.credential import (
    GATEWAY_PORT,
    ROUTES,
    CredentialProxy,
    CredentialProxySpec,
    PlaceholderToken,
    ServedRoute,
    find_key,
)
from bbox_server.domain.egress.policy import EgressPolicy, resolve_policy, with_rules
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.relay import GATEWAY_ADDRESS
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.environment import RunFacts
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.identity import (
    GitIdentity,
    author_environment,
)
from bbox_server.domain.image import RootFilesystem
from bbox_server.domain.key_limits import KeyLimits
from bbox_server.domain.launch import GUEST_HOME, GUEST_WORKSPACE, Launch
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
class PrepareRun:
    """Resolves agent, keys, image, snapshot, network policy, resources and environment."""

    gather: GatherIngredients
    settings: CarrySettings
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
        login = self.logins.load(agent, request.login)
        check_required(request, agent)
        forwarded = forwarded_variables(request, agent)
        has_login = _has_login(login, request) or has_own_credential(agent, forwarded)
        served = _served(agent, request.environ, has_login=has_login)
        found = await self.gather(request, agent)
        lend_git = LendGit(known_hosts=self.known_hosts, progress=self.progress)
        git = await lend_git(request, found.identity)
        placeholder = self.proxy.new_placeholder()
        access = _access(served, placeholder)
        resources = _resources(request.resources, agent, found.verdict.accelerator)
        command = _command(request, agent, found.root)
        files = agent.guest_files(access, GUEST_WORKSPACE) if agent else ()
        settings = await self.settings(request, agent, files)
        own = own_variables(
            agent,
            access,
            _facts(agent, session, git),
            has_certificates=bool(self.trusted_certificates),
        )
        shares = _shares(agent, resources, found.identity)
        launch = Launch(
            argv=command,
            env=guest_environment(forwarded, agent, shares, own),
            directory=_directory(agent, found.root),
            files=(
                *git.files(placeholder),
                *login_files(login),
                # Last: where both write a file, ours counts.
                *with_settings(files, settings),
            ),
            root=found.root,
            snapshot=found.snapshot,
            resources=resources,
            policy=_policy(run, served, found.package_rules, git),
            credentials=_proxy_spec(
                (*served, *git.routes), placeholder, directories, run.config.keys
            ),
            trusted_certificates=self.trusted_certificates,
            ssh_agent=git.agent,
            login=login,
            carried=Carried(
                variables=forwarded.names,
                secrets=forwarded.secrets,
                held_back=forwarded.held_back,
                settings=settings,
                identity=found.identity,
            ),
        )
        tell_forwarded(request, forwarded, self.progress)
        self._tell(launch, agent, served)
        lend_git.tell(git)
        self.progress.finished(Phase.PREPARE, "Prepared")
        return launch

    def _tell(self, launch: Launch, agent: Agent | None, served: tuple[ServedRoute, ...]) -> None:
        """What a user must know before the agent starts."""
        if agent is not None and agent.unattended:
            self.progress.noted(
                f"{agent.name} works without asking and without a sandbox of its own: "
                "the microVM is its sandbox"
            )
        providers = ", ".join(one.route.provider for one in served)
        keys = f"; the key for {providers} stays on this host" if served else ""
        self.progress.noted(f"Network: {launch.policy.profile}{keys}")
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


def _served(
    agent: Agent | None, environ: Mapping[str, str], *, has_login: bool
) -> tuple[ServedRoute, ...]:
    """The agent's providers whose keys are here; one at least, or it could do nothing."""
    if agent is None:
        return ()
    routes = [
        route
        for route in (one.own_route or ROUTES[one.id] for one in agent.providers if one.routed)
        # Where the user lets the agent have the key itself, the proxy is not in its way.
        if not set(agent.own_keys) & set(route.credential.environment_names)
    ]
    found, missing = [], []
    for route in routes:
        upstream = environ.get(route.upstream_variable, "")
        try:
            found.append(find_key(route.to(upstream) if upstream else route, environ))
        except BboxError as error:
            if error.code is not ErrorCode.CREDENTIAL_MISSING:
                raise
            missing.append(error)
    if missing and not found and not has_login:
        raise missing[0]
    return tuple(found)


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
    served: tuple[ServedRoute, ...],
    placeholder: PlaceholderToken,
    directories: SessionDirectories,
    limits: KeyLimits,
) -> CredentialProxySpec | None:
    if not served:
        return None
    return CredentialProxySpec(
        socket=below(directories.runtime, PROXY_SOCKET),
        placeholder=placeholder,
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
        return agent.argv(request.arguments)
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
    served: tuple[ServedRoute, ...],
    packages: EgressPolicy,
    git: LentGit,
) -> EgressPolicy:
    profile = run.request.egress_profile or EgressProfile.STANDARD
    extra = (*git.rules, *run.request.allow_hosts)
    # What a config tightens to nothing is nothing, and no reason not to run (P-26).
    may_be_empty = bool(served or git.routes or extra) or not run.profile_is_asked
    hosts = _hosts(run.agent, served, packages)
    return with_rules(resolve_policy(profile, hosts, has_services=may_be_empty), extra)


def _hosts(
    agent: Agent | None, served: tuple[ServedRoute, ...], packages: EgressPolicy
) -> Mapping[EgressProfile, tuple[HostRule, ...]]:
    if agent is not None and agent.egress_hosts:
        return agent.egress_hosts
    own = agent.locked_hosts(frozenset(one.route.provider for one in served)) if agent else ()
    return {EgressProfile.LOCKED: own, EgressProfile.STANDARD: (*own, *packages.rules)}
