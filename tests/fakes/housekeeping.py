# SPDX-License-Identifier: Apache-2.0
"""Leftovers in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.housekeeping import StaleFiles
from bbox_server.domain.session import SessionId


@dataclass
class MemoryStaleFiles(StaleFiles):
    """Who left something: `runtime` of VMs, `logs` with their time; `held` are alive."""

    runtime: set[SessionId] = field(default_factory=set)
    logs: dict[SessionId, float] = field(default_factory=dict)
    held: set[SessionId] = field(default_factory=set)

    @override
    def sweep(self, oldest: float) -> tuple[SessionId, ...]:
        old = {session for session, at in self.logs.items() if at <= oldest}
        swept = (self.runtime | old) - self.held
        self.runtime -= swept
        self.logs = {session: at for session, at in self.logs.items() if session not in swept}
        return tuple(sorted(swept))
