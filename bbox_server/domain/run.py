# SPDX-License-Identifier: Apache-2.0
"""What a user asks for when they start an agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.rule import HostRule
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
        token: The GitHub token, for the workspace's remotes.
        ssh_agent: The SSH agent, for the hosts of the workspace's remotes.
    """

    token: bool = False
    ssh_agent: bool = False


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
    git: GitAccess = field(default_factory=GitAccess)
