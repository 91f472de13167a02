# SPDX-License-Identifier: Apache-2.0
"""What a user asks for when they start an agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bbox_server.domain.direct import WorkspaceMode
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.image import PullPolicy
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.settings import SettingsImport
from bbox_server.domain.workspace import HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """What the user wants for the guest; None leaves it to the agent and the accelerator."""

    cpus: int | None = None
    memory_mib: int | None = None
    tmp_size_mib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAccess:
    """What of the user's git the agent may use; nothing unless the user says so (P-22).

    Attributes:
        token: The GitHub token, for the workspace's remotes; None leaves it to the config.
        ssh_agent: The SSH agent, for the hosts of the workspace's remotes; None as well.
        is_token_asked: It was asked for on the spot: then it is a failure if it has no use here.
        is_ssh_agent_asked: The same.
    """

    token: bool | None = None
    ssh_agent: bool | None = None
    is_token_asked: bool = True
    is_ssh_agent_asked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOptions:
    """What to do with the agent's own login (compat CLI-19).

    Attributes:
        save: Keep it between runs.
        seed: Take the host's own login over, where it is newer.
        inside: The user logs in inside: no key of a provider is needed.
    """

    save: bool = True
    seed: bool = False
    inside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """How the image is got.

    Attributes:
        policy: None leaves it to the config.
        afresh: Nothing is taken from the cache (compat CMD-38).
    """

    policy: PullPolicy | None = None
    afresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """One run.

    Attributes:
        agent: A registered agent's name, or None to run `image` as it is.
        image: Overrides the agent's; as the user wrote it, empty for the agent's own.
        program: Takes the place of the agent's command, but not of its arguments.
        arguments: For the agent, or the whole command of an image.
        workspace: Absolute, links resolved.
        environ: The host's environment: where keys and forwarded variables come from.
        env_forward: Patterns of variables to carry, beside the agent's own.
        config_file: The user's config, where it is not the usual one.
        mode: None leaves it to the config.
        acknowledged: The user knows what direct mode means for this workspace.
        trace: Write the session's trace, and keep it up to date.
        env_required: Names without which the run is of no use, beside the agent's own.
        settings: What of the user's own settings of the agent is let in.
        name: Of a run without an agent; None takes the image's.
        pull: Whether a registry is asked for the image.
        forwards: Ports of this host's loopback address that lead into the guest.
        services: HTTP services of this host, beside the config's.
        ask: The agent's own approvals stay on.
    """

    agent: str | None
    image: str
    program: str | None
    arguments: tuple[str, ...]
    workspace: HostPath
    environ: Mapping[str, str] = field(repr=False)
    env_forward: tuple[str, ...] = ()
    resources: ResourceRequest = field(default_factory=ResourceRequest)
    egress_profile: EgressProfile | None = None
    allow_hosts: tuple[HostRule, ...] = ()
    excludes: tuple[str, ...] = ()
    config_file: HostPath | None = None
    git: GitAccess = field(default_factory=GitAccess)
    login: LoginOptions = field(default_factory=LoginOptions)
    trace: bool = False
    mode: WorkspaceMode | None = None
    acknowledged: bool = False
    env_required: tuple[str, ...] = ()
    settings: SettingsImport = field(default_factory=SettingsImport)
    name: str | None = None
    pull: PullRequest = field(default_factory=PullRequest)
    forwards: tuple[PortForward, ...] = ()
    services: tuple[HostService, ...] = ()
    ask: bool = False
