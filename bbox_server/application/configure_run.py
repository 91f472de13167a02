# SPDX-License-Identifier: Apache-2.0
"""A request and what is configured, made one: flags before agent before defaults (CFG-40)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bbox_server.application.resolve_config import ResolveConfig, ResolvedConfig
from bbox_server.domain.agent import Agent, AgentName, AgentRegistry, agent_name, derive_name
from bbox_server.domain.config.effective import effective
from bbox_server.domain.config.problem import Finding, FindingKind, Layer, Origin
from bbox_server.domain.config.sections import (
    AuthSection,
    Config,
    GitSection,
    ImageSection,
    ReviewSection,
)
from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.run import (
    GitAccess,
    LoginOptions,
    PullRequest,
    ResourceRequest,
    RunRequest,
)
from bbox_server.domain.session import AfterRun

HEAD: Final = "Security: .broodbox.yaml in this workspace modifies sandbox settings:"
WIDENS: Final = "What it asks for beyond your own settings is not applied: `bbox trust` shows it."
FOOT: Final = "Look at the file before you go on if you don't know it."
SIGNS: Final = {
    FindingKind.WIDENS: "not applied: ",
    FindingKind.WIDENED: "applied, you trust the file: ",
    FindingKind.IGNORED: "ignored: ",
    FindingKind.INVALID: "not usable: ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredRun:
    """A run as it is going to be.

    Attributes:
        request: With the config's values where the request has none.
        agent: As the config changes or defines it; None for an image's own command.
        findings: What the user should know of their config and the workspace's.
        profile_is_asked: The network profile is the request's own.
    """

    name: str
    request: RunRequest
    agent: Agent | None
    config: Config
    findings: tuple[Finding, ...]
    after: AfterRun
    profile_is_asked: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is said at the start (compat CLI-33, CFG-43); control characters are escaped."""
        theirs = [one for one in self.findings if one.origin.layer is Layer.WORKSPACE]
        others = [escape_text(str(one)) for one in self.findings if one not in theirs]
        if not theirs:
            return tuple(others)
        lines = [escape_text(f"{SIGNS.get(one.kind, '')}{one}") for one in theirs]
        asks = any(one.kind is FindingKind.WIDENS for one in theirs)
        block = "\n".join([HEAD, *(f"  - {line}" for line in lines), WIDENS if asks else FOOT])
        return (*others, block)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureRun:
    """Reads the config of a run.

    Attributes:
        host_cpus: What the machine has; nobody gets more (P-62).
    """

    resolve: ResolveConfig
    host_cpus: int

    def __call__(self, request: RunRequest) -> ConfiguredRun:
        """Configure.

        Raises:
            BboxError: config.invalid, agent.unknown, agent.invalid, agent.invalid-name, cli.usage.
        """
        resolved = self.resolve(request.workspace, request.config_file)
        agent = resolved.agents.get(request.agent) if request.agent is not None else None
        held = effective(resolved.config, agent.name if agent else None)
        wanted = request.resources.cpus or held.cpus
        mode = request.mode or resolved.config.workspace.mode or WorkspaceMode.SNAPSHOT
        return ConfiguredRun(
            name=agent.name if agent else _image_name(request, resolved.agents),
            request=replace(
                request,
                resources=ResourceRequest(
                    cpus=wanted and min(wanted, self.host_cpus),
                    memory_mib=request.resources.memory_mib or held.memory_mib,
                    tmp_size_mib=request.resources.tmp_size_mib or held.tmp_size_mib,
                ),
                egress_profile=request.egress_profile or held.egress_profile,
                allow_hosts=(*held.allow_hosts, *request.allow_hosts),
                excludes=_excludes(request, resolved.config, mode),
                mode=mode,
                git=_git_access(request.git, resolved.config.git),
                login=_login(request.login, resolved.config.auth),
                settings=request.settings.tightened(held.settings),
                pull=_pull(request.pull, resolved.config.image),
            ),
            agent=agent,
            config=resolved.config,
            findings=(
                *_of_this_run(resolved, agent),
                *_beyond_the_machine(wanted, self.host_cpus),
                *_refused_git(request.git, resolved.config.git),
            ),
            after=_after(resolved.config.review),
            profile_is_asked=request.egress_profile is not None,
        )


def _beyond_the_machine(cpus: int | None, host_cpus: int) -> Iterator[Finding]:
    if cpus is not None and cpus > host_cpus:
        yield Finding(
            kind=FindingKind.CLAMPED,
            path=("cpus",),
            text=f"{cpus} is more than this machine has; the guest gets {host_cpus}",
            origin=Origin(layer=Layer.OPTION),
        )


def _excludes(request: RunRequest, config: Config, mode: WorkspaceMode) -> tuple[str, ...]:
    """In direct mode only what was asked for on the spot, which is refused there (CLI-14)."""
    if mode is WorkspaceMode.DIRECT:
        return request.excludes
    return (*(config.review.exclude_patterns or ()), *request.excludes)


def _git_access(asked: GitAccess, config: GitSection) -> GitAccess:
    """A config that says no wins over an option that says yes (CLI-75)."""
    return GitAccess(
        token=_switch(asked=asked.token, configured=config.forward_token),
        ssh_agent=_switch(asked=asked.ssh_agent, configured=config.forward_ssh_agent),
        is_token_asked=bool(asked.token),
        is_ssh_agent_asked=bool(asked.ssh_agent),
    )


def _switch(*, asked: bool | None, configured: bool | None) -> bool:
    return asked is not False and configured is not False and bool(asked or configured)


def _refused_git(asked: GitAccess, config: GitSection) -> Iterator[Finding]:
    for option, key, wanted, configured in (
        ("git-token", "forward_token", asked.token, config.forward_token),
        ("git-ssh-agent", "forward_ssh_agent", asked.ssh_agent, config.forward_ssh_agent),
    ):
        if wanted and configured is False:
            yield Finding(
                kind=FindingKind.IGNORED,
                path=(option,),
                text=f"the config has git.{key}: false, which wins",
                origin=Origin(layer=Layer.OPTION),
            )


def _image_name(request: RunRequest, agents: AgentRegistry) -> AgentName:
    """Compat CLI-72: who chooses a name for an image can't take an agent's."""
    if request.name is None:
        return agent_name(derive_name(request.image))
    name = agent_name(request.name)
    if name in {agent.name for agent in agents.list()}:
        raise BboxError(
            ErrorCode.AGENT_INVALID_NAME,
            cause=f"{name} is an agent already.",
            remediation=f"Choose another one with --name, or run the agent: bbox {name}.",
        )
    return name


def _pull(asked: PullRequest, config: ImageSection) -> PullRequest:
    """Compat CLI-08, of the config's `never` too: what may ask no registry can't fetch afresh."""
    policy = asked.policy or config.pull or PullPolicy.BACKGROUND
    if asked.afresh and policy is PullPolicy.NEVER:
        raise BboxError(
            ErrorCode.CLI_USAGE,
            cause="With --no-image-cache the image must be pulled, and with `never` it can't be.",
            remediation="Leave out --no-image-cache, or give --pull always.",
        )
    return replace(asked, policy=policy)


def _login(asked: LoginOptions, config: AuthSection) -> LoginOptions:
    """Compat CLI-19."""
    save = asked.save and config.saves
    return replace(asked, save=save, seed=save and (asked.seed or config.seeds))


def _of_this_run(resolved: ResolvedConfig, agent: Agent | None) -> tuple[Finding, ...]:
    """Without what other agents' entries have without effect."""
    return tuple(
        one
        for one in resolved.findings
        if one.kind is not FindingKind.UNUSED
        or one.path[:1] != ("agents",)
        or (agent is not None and one.path[1] == agent.name)
    )


def _after(review: ReviewSection) -> AfterRun:
    if review.enabled:
        return AfterRun.REVIEW
    return AfterRun.APPLY if review.auto_accept else AfterRun.ASK
