# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from typing_extensions import override

from bbox_server.domain.egress.event import BlockReason, EgressEvent, EgressEventKind
from bbox_server.domain.egress.group import HostGroup, PackageHosts
from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.question import Question
from bbox_server.domain.egress.relay import (
    GATEWAY_ADDRESS,
    NetworkRelay,
    RelayEnd,
    RelaySpec,
    RunningRelay,
)
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode


class FakeRunningRelay(RunningRelay):
    """A network that judges connections and carries none."""

    def __init__(self, spec: RelaySpec, observe: Callable[[EgressEvent], None]) -> None:
        self.spec = spec
        self.policy = spec.policy
        self.can_ask = False
        self.waiting: set[Question] = set()
        self._asked: set[Question] = set()
        self._once: set[Question] = set()
        self._denied: set[Question] = set()
        self._observe = observe
        self._number = 0
        self._end: RelayEnd | None = None
        self._ended = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        return self._end is not None

    def connect(self, name: str, port: int) -> bool:
        """What the guest gets that connects to a name."""
        if self._end is not None:
            return False
        if any(service.host_name == name for service in self.spec.host_services):
            return self.connect_gateway(port)
        verdict = self.policy.decide(name, port)
        question = Question(host=name, port=port)
        if verdict.reason is None or question in self._once:
            self._tell(name, "198.18.0.1", port, None, verdict.rule)
            return True
        if question in self._denied:
            self._tell(name, "198.18.0.1", port, BlockReason.DENIED_BY_USER)
        elif self.can_ask and question not in self._asked:
            self._asked.add(question)
            self.waiting.add(question)
            self._event(EgressEventKind.ASK, name, "198.18.0.1", port, verdict.reason)
        else:
            self._tell(name, "198.18.0.1", port, verdict.reason)
        return False

    def connect_gateway(self, port: int) -> bool:
        """What the guest gets that connects to the gateway."""
        declared = {service.port for service in self.spec.services}
        is_service = port in declared | {service.port for service in self.spec.host_services}
        reason = None if is_service else BlockReason.PORT_NOT_ALLOWED
        self._tell(None, GATEWAY_ADDRESS, port, reason)
        return is_service and self._end is None

    def crash(self, cause: str = "The relay ended with -9; it said nothing.") -> None:
        """End it, as a process may."""
        self._end = RelayEnd(cause=cause)
        self._ended.set()

    @override
    async def update(self, policy: EgressPolicy) -> None:
        self._check()
        self.policy = policy

    @override
    async def let_ask(self, *, can_ask: bool) -> None:
        self._check()
        self.can_ask = can_ask
        if not can_ask:
            self._asked -= self.waiting
            self.waiting.clear()

    @override
    async def allow_once(self, question: Question) -> None:
        self._check()
        self._once.add(question)
        self._denied.discard(question)
        self.waiting.discard(question)

    @override
    async def deny(self, question: Question) -> None:
        self._check()
        self._denied.add(question)
        self._once.discard(question)
        self.waiting.discard(question)

    def _check(self) -> None:
        if self._end is not None:
            raise BboxError(
                ErrorCode.EGRESS_RELAY_FAILED,
                cause=self._end.cause,
                remediation="Start the session again.",
            )

    @override
    async def wait(self) -> RelayEnd:
        await self._ended.wait()
        return self._end or RelayEnd(cause="")

    def _tell(
        self, host: str | None, address: str, port: int, reason: BlockReason | None, rule: str = ""
    ) -> None:
        kind = EgressEventKind.BLOCKED if reason else EgressEventKind.OPEN
        self._event(kind, host, address, port, reason, rule)

    def _event(  # noqa: PLR0913, PLR0917 - the fields of an event
        self,
        kind: EgressEventKind,
        host: str | None,
        address: str,
        port: int,
        reason: BlockReason | None,
        rule: str = "",
    ) -> None:
        self._number += 1
        self._observe(
            EgressEvent(
                kind=kind,
                id=self._number,
                host=host,
                address=address,
                port=port,
                reason=reason,
                rule=rule,
            )
        )


class FakeNetworkRelay(NetworkRelay):
    """Remembers what it was started with."""

    def __init__(self) -> None:
        self.running: list[FakeRunningRelay] = []

    @override
    @asynccontextmanager
    async def start(
        self, spec: RelaySpec, observe: Callable[[EgressEvent], None]
    ) -> AsyncIterator[RunningRelay]:
        running = (relay for relay in self.running if not relay.has_ended)
        taken = {port.host_port for relay in running for port in relay.spec.forwards}
        if taken & {port.host_port for port in spec.forwards}:
            raise BboxError(
                ErrorCode.EGRESS_PORT_TAKEN, cause="It is taken.", remediation="Choose another."
            )
        relay = FakeRunningRelay(spec, observe)
        self.running.append(relay)
        try:
            yield relay
        finally:
            relay.crash("The relay ended with 0; it said nothing.")


class FakePackageHosts(PackageHosts):
    """Groups that were made up."""

    def __init__(self, *groups: HostGroup) -> None:
        self._groups = groups

    @override
    async def groups(self) -> tuple[HostGroup, ...]:
        return self._groups


class MemoryKeptRules(KeptRules):
    """Rules in a list."""

    def __init__(self) -> None:
        self.rules: list[HostRule] = []

    @override
    def keep(self, rule: HostRule) -> None:
        if rule not in self.rules:
            self.rules.append(rule)
