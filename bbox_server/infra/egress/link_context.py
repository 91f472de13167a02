# SPDX-License-Identifier: Apache-2.0
"""What a guest's link is made of."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from bbox_server.infra.egress.dial import Dialer
from bbox_server.infra.egress.events import EventLog
from bbox_server.infra.egress.flow_context import Wire
from bbox_server.infra.egress.names import NameTable
from bbox_server.infra.egress.questions import Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSide:
    """What outlives one connection of QEMU.

    Attributes:
        services: By gateway port: a Unix socket, or a port of the host's loopback address.
        service_names: Names that are the gateway's.
    """

    services: Mapping[int, str | int]
    dialer: Dialer
    log: EventLog
    questions: Questions
    mtu: int
    service_names: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSide:
    """What ends with it. The group owns every task on the guest's behalf."""

    wire: Wire
    mac: bytes
    names: NameTable
    group: asyncio.TaskGroup
