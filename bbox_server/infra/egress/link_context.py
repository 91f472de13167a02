# SPDX-License-Identifier: Apache-2.0
"""What a guest's link is made of."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bbox_server.infra.egress.dial import Dialer
from bbox_server.infra.egress.events import EventLog
from bbox_server.infra.egress.flow_context import Wire
from bbox_server.infra.egress.names import NameTable
from bbox_server.infra.egress.questions import Questions
from bbox_server.infra.egress.resolve import Resolver


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSide:
    """What outlives one connection of QEMU.

    Attributes:
        services: Unix sockets by gateway port.
    """

    services: Mapping[int, str]
    resolver: Resolver
    dialer: Dialer
    log: EventLog
    questions: Questions
    mtu: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestSide:
    """What ends with it. The group owns every task on the guest's behalf."""

    wire: Wire
    mac: bytes
    names: NameTable
    group: asyncio.TaskGroup
