# SPDX-License-Identifier: Apache-2.0
"""The guest's whole network, as a port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from bbox_server.domain.egress.event import EgressEvent
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.proxy import UpstreamProxy
from bbox_server.domain.egress.question import Question
from bbox_server.domain.hostservice import HostService
from bbox_server.domain.portforward import PortForward
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath

GATEWAY_ADDRESS: Final = "192.168.127.1"
"""Where the guest finds declared services and its name server (compat VM-07)."""

GUEST_ADDRESS: Final = "192.168.127.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayService:
    """A service of the host that the guest reaches at the gateway's address.

    Attributes:
        port: On the gateway.
        socket: Unix socket that the sandbox user may connect to.
    """

    port: int
    socket: HostPath


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOverride:
    """Where a name is to be found instead of what the resolver says.

    The address is checked like any other: a private one needs a rule that allows it.

    Attributes:
        port: The port to dial instead of the one that the guest asked for.
    """

    name: str
    address: str
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySpec:
    """One guest's network.

    Attributes:
        socket: Unix socket for QEMU to connect to; it listens when `start` has been entered.
        host_services: The user's own, each at a name of its own and its port.
        forwards: Ports of the host's loopback address that lead into the guest.
        proxy: By which the host gets out; None where it gets there itself.
    """

    session: SessionId
    socket: HostPath
    policy: EgressPolicy
    services: tuple[GatewayService, ...] = ()
    overrides: tuple[HostOverride, ...] = ()
    host_services: tuple[HostService, ...] = ()
    forwards: tuple[PortForward, ...] = ()
    proxy: UpstreamProxy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayEnd:
    """Why there is no network any more; the cause is for the user."""

    cause: str


class RunningRelay(Protocol):
    """A network that is up."""

    async def update(self, policy: EgressPolicy) -> None:
        """Use another policy at once; connections that it doesn't allow are closed.

        Raises: egress.relay-failed.
        """
        ...

    async def let_ask(self, *, can_ask: bool) -> None:
        """Say whether someone can answer: then a new name that no rule allows waits and is asked.

        Where nobody can, it is refused at once, and so is all that waits.

        Raises: egress.relay-failed.
        """
        ...

    async def allow_once(self, question: Question) -> None:
        """Let in what waits for this, and what follows within a minute.

        Raises: egress.relay-failed.
        """
        ...

    async def deny(self, question: Question) -> None:
        """Refuse what waits for this, and what follows, without another question.

        Raises: egress.relay-failed.
        """
        ...

    async def wait(self) -> RelayEnd:
        """Return when the relay has ended; the guest then has no network."""
        ...


class NetworkRelay(Protocol):
    """Makes networks for guests."""

    def start(
        self, spec: RelaySpec, observe: Callable[[EgressEvent], None]
    ) -> AbstractAsyncContextManager[RunningRelay]:
        """Start a relay; on entry its socket listens, on exit nothing of it is left running.

        The observer is called on the event loop and must neither block nor raise.

        Raises: egress.relay-failed; egress.port-taken.
        """
        ...
