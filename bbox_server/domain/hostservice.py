# SPDX-License-Identifier: Apache-2.0
"""HTTP services of this host that the user declares for the guest (compat DPS-04)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from bbox_server.domain.credential import GATEWAY_PORT
from bbox_server.domain.error import BboxError, ErrorCode

SUFFIX: Final = ".bbox.internal"
"""`.internal` is never delegated in the public DNS (ICANN, resolution 2024.07.29.06)."""

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LARGEST_PORT: Final = 65535
_DNS_PORT: Final = 53
_OWN_PORTS: Final = frozenset({_DNS_PORT, GATEWAY_PORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class HostService:
    """A service at a port of the host's loopback address, and at the gateway's same port.

    Raises:
        BboxError: egress.invalid-rule, for what can't be one.
    """

    name: str
    port: int

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise _invalid(f"{self.name[:80]!a} is no name of a service.")
        if not 1 <= self.port <= _LARGEST_PORT or self.port in _OWN_PORTS:
            raise _invalid(f"Port {self.port} can't be a service's in the guest.")

    @property
    def host_name(self) -> str:
        """What the guest calls it."""
        return f"{self.name}{SUFFIX}"

    @property
    def url(self) -> str:
        """Where the guest finds it."""
        return f"http://{self.host_name}:{self.port}"

    @override
    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


def check_services(services: Iterable[HostService]) -> None:
    """Each name and each port once. Raises: egress.invalid-rule."""
    names: set[str] = set()
    ports: set[int] = set()
    for service in services:
        if service.name in names or service.port in ports:
            raise _invalid(f"The service {service} has the name or the port of another one.")
        names.add(service.name)
        ports.add(service.port)


def _invalid(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.EGRESS_INVALID_RULE,
        cause=cause,
        remediation="Name it with a-z, 0-9 and -, give the port of 127.0.0.1 that it listens on, "
        f"from 1 to {_LARGEST_PORT} without {', '.join(map(str, sorted(_OWN_PORTS)))}; "
        "each name and port once.",
    )
