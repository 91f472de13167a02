# SPDX-License-Identifier: Apache-2.0
"""A run that is prepared: everything decided, nothing started."""

from dataclasses import dataclass, field
from typing import Final

from bbox_server.domain.carried import Carried
from bbox_server.domain.credential import CredentialProxySpec
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.image import RootFilesystem
from bbox_server.domain.login import CarriedLogin
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.snapshot import Snapshot
from bbox_server.domain.ssh_agent import LentAgent
from bbox_server.domain.vm import VmResources
from bbox_server.domain.workspace import HostPath

GUEST_HOME: Final = "/home/sandbox"
GUEST_WORKSPACE: Final = HostPath("/workspace")
GUEST_AGENT_SOCKET: Final = f"{GUEST_HOME}/.ssh/bbox-agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkWays:
    """How the guest's network is joined to the host's, beside what the policy lets through.

    Attributes:
        services: The user's own services for the guest.
        forwards: Ports of the host that lead into the guest.
        proxy: By which the host gets out.
    """

    services: tuple[HostService, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    proxy: UpstreamProxy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What `RunSandbox` starts.

    Attributes:
        argv: The agent's whole command.
        env: Its environment, over the image's.
        snapshot: None in direct mode.
        opens_packages: The hosts of the user's package managers are allowed beside `policy`. To
            ask for them takes a second, so it is done while the guest boots.
        credentials: The provider's proxy; None where the agent needs none.
        ssh_agent: The user's, lent for the workspace's remotes.
        login: The agent's own login; None where none is kept.
        carried: For the user: what of their machine is in `env` and `files`.
    """

    argv: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    directory: str
    files: tuple[GuestFile, ...]
    root: RootFilesystem
    snapshot: Snapshot | None
    resources: VmResources
    policy: EgressPolicy
    opens_packages: bool
    credentials: CredentialProxySpec | None
    trusted_certificates: bytes
    ssh_agent: LentAgent | None = None
    login: CarriedLogin | None = None
    carried: Carried = field(default_factory=Carried)
    ways: NetworkWays = field(default_factory=NetworkWays)
