# SPDX-License-Identifier: Apache-2.0
"""The guest's connections: which may begin, and which there are."""

import asyncio
import dataclasses
import socket
from typing import Final

from typing_extensions import override

from bbox_server.domain.egress.event import (
    BlockReason,
    CloseReason,
    EgressEvent,
    EgressEventKind,
)
from bbox_server.domain.egress.policy import EgressPolicy, Verdict
from bbox_server.domain.egress.question import Question
from bbox_server.infra.egress.address import may_dial
from bbox_server.infra.egress.bucket import Budget, TokenBucket
from bbox_server.infra.egress.dial import DialError, Target
from bbox_server.infra.egress.flow import Flow, FlowState
from bbox_server.infra.egress.flow_context import (
    FlowContext,
    FlowKey,
    FlowObserver,
    FlowSpec,
    FlowStatistics,
)
from bbox_server.infra.egress.link_context import GuestSide, HostSide
from bbox_server.infra.egress.namecheck import Mismatch, NameCheck
from bbox_server.infra.egress.packet import GATEWAY, address_text
from bbox_server.infra.egress.questions import Standing
from bbox_server.infra.egress.segment import ACK, RST, SYN, Segment, reset_for

_MAX_FLOWS: Final = 512
_SYN_RATE: Final = 200.0
_SYN_BURST: Final = 400.0
_HELD_BYTES: Final = 96 << 20
_MAX_HELD: Final = 64
_HEADERS_IN_MTU: Final = 40
# RFC 6335, 6: the dynamic ports, for connections that the host begins.
_FIRST_OWN_PORT: Final = 49_152
_OWN_PORTS: Final = 1 << 14
# What the user can be asked about.
_UNDECIDED: Final = frozenset((BlockReason.HOST_NOT_IN_PROFILE, BlockReason.PORT_NOT_ALLOWED))


class Connections(FlowObserver):
    """All TCP connections of one guest."""

    def __init__(self, guest: GuestSide, host: HostSide, policy: EgressPolicy) -> None:
        self._loop = asyncio.get_running_loop()
        self._guest = guest
        self._host = host
        self._policy = policy
        self._context = FlowContext(
            wire=guest.wire,
            observer=self,
            budget=Budget(_HELD_BYTES),
            guest_mac=guest.mac,
            largest_mss=host.mtu - _HEADERS_IN_MTU,
        )
        self._flows: dict[FlowKey, Flow] = {}
        # Those that the user's word let in or may let in: no policy knows them.
        self._by_word: set[FlowKey] = set()
        self._bucket = TokenBucket(_SYN_RATE, _SYN_BURST, self._loop.time())
        self._number = 0
        self._calls = 0

    def receive(self, destination: bytes, segment: Segment) -> None:
        """Take a segment for an address."""
        key = (segment.source_port, destination, segment.destination_port)
        flow = self._flows.get(key)
        if flow is not None:
            flow.receive(segment, self._loop.time())
        elif segment.flags & (SYN | ACK | RST) == SYN:
            self._begin(key, segment)
        else:
            self._reset(destination, segment)

    def call(self, client: socket.socket, guest_port: int) -> None:
        """Connect a client of the host's with a port of the guest's; the socket is then ours."""
        if len(self._flows) >= _MAX_FLOWS:
            client.close()
            return
        spec = FlowSpec(
            number=0,
            key=(guest_port, GATEWAY, self._own_port(guest_port)),
            target=Target(),
            statistics=FlowStatistics(began_at=self._loop.time()),
            is_called=True,
        )
        flow = self._flows[spec.key] = Flow(None, spec, self._context)
        flow.call(client)

    def _own_port(self, guest_port: int) -> int:
        # There are more of these than there can be connections.
        while True:
            self._calls += 1
            port = _FIRST_OWN_PORT + self._calls % _OWN_PORTS
            if port not in self._host.services and (guest_port, GATEWAY, port) not in self._flows:
                return port

    def tick(self) -> None:
        """Do what time demands."""
        now = self._loop.time()
        for flow in tuple(self._flows.values()):
            flow.tick(now)

    def update(self, policy: EgressPolicy) -> None:
        """Use another policy, and end the connections that it doesn't allow."""
        self._policy = policy
        for key, flow in tuple(self._flows.items()):
            spec = flow.spec
            is_free = spec.is_called or spec.target.service or key in self._by_word
            if not is_free and self._judge(key).reason is not None:
                flow.abort(CloseReason.POLICY_CHANGE)
        self._host.questions.allow_by(self._is_allowed)

    def close(self) -> None:
        """End all connections: the guest is gone."""
        for flow in tuple(self._flows.values()):
            flow.abort(CloseReason.GUEST_RST)

    def _is_allowed(self, question: Question) -> bool:
        return self._policy.decide(question.host, question.port).reason is None

    def _begin(self, key: FlowKey, syn: Segment) -> None:
        if not self._bucket.take(self._loop.time()):
            # No answer: the guest's TCP repeats its SYN after a second.
            self._host.log.repeated(EgressEvent(kind=EgressEventKind.FLOOD))
            return
        verdict = self._judge(key)
        question = self._question(key, verdict.reason)
        standing = None if question is None else self._host.questions.stand(question)
        reason = self._objection(verdict, standing)
        if reason is not None:
            self._report(key, reason)
            self._reset(key[1], syn)
            return
        flow = self._flows[key] = self._new_flow(key, syn, verdict)
        if question is not None:
            self._by_word.add(key)
        if question is not None and standing is Standing.HELD:
            self._hold(flow, question, verdict.reason)
        else:
            self._guest.group.create_task(self._dial(flow))

    def _question(self, key: FlowKey, reason: BlockReason | None) -> Question | None:
        name = self._guest.names.name(key[1])
        if name is None or reason not in _UNDECIDED:
            return None
        return Question(host=name, port=key[2])

    def _objection(self, verdict: Verdict, standing: Standing | None) -> BlockReason | None:
        if standing is Standing.DENIED:
            return BlockReason.DENIED_BY_USER
        is_held_up = standing is Standing.HELD and len(self._by_word) >= _MAX_HELD
        if verdict.reason is not None and (standing in {None, Standing.UNASKED} or is_held_up):
            return verdict.reason
        is_full = len(self._flows) >= _MAX_FLOWS
        return BlockReason.TOO_MANY_CONNECTIONS if is_full else None

    def _new_flow(self, key: FlowKey, syn: Segment, verdict: Verdict) -> Flow:
        self._number += 1
        spec = FlowSpec(
            number=self._number,
            key=key,
            target=self._target(key, verdict),
            statistics=FlowStatistics(began_at=self._loop.time()),
            rule=verdict.rule,
            check=self._check(key),
        )
        return Flow(syn, spec, self._context)

    def _judge(self, key: FlowKey) -> Verdict:
        _, address, port = key
        if address == GATEWAY:
            is_service = port in self._host.services
            return Verdict(reason=None if is_service else BlockReason.PORT_NOT_ALLOWED)
        name = self._guest.names.name(address)
        if name is not None:
            return self._policy.decide(name, port)
        if self._policy.is_permissive and may_dial(address_text(address), allow_private=False):
            return Verdict(reason=None)
        return Verdict(reason=BlockReason.DIRECT_IP)

    def _target(self, key: FlowKey, verdict: Verdict) -> Target:
        _, address, port = key
        if address == GATEWAY:
            return Target(service=self._host.services[port], port=port)
        return Target(
            name=self._guest.names.name(address),
            address=address_text(address),
            port=port,
            allow_private=verdict.allow_private,
        )

    def _check(self, key: FlowKey) -> NameCheck | None:
        _, address, port = key
        name = self._guest.names.name(address)
        if name is None or self._policy.is_permissive or not NameCheck.covers(port):
            return None
        return NameCheck(name, port)

    def _hold(self, flow: Flow, question: Question, reason: BlockReason | None) -> None:
        """Let the SYN wait for an answer: its TCP repeats it, and a program sees a slow connect."""
        event = self._event(flow.spec.key, EgressEventKind.ASK, reason)
        answer = self._host.questions.begin(question, lambda: self._host.log.single(event))
        self._guest.group.create_task(self._held(flow, question, answer, reason))

    async def _held(
        self,
        flow: Flow,
        question: Question,
        answer: asyncio.Future[bool],
        reason: BlockReason | None,
    ) -> None:
        is_allowed = await self._host.questions.wait(question, answer)
        if flow.state is not FlowState.DIALING:
            # The guest gave up meanwhile.
            return
        if is_allowed:
            self._admit(flow)
            await self._dial(flow)
        elif reason is not None:
            is_denied = self._host.questions.is_denied(question)
            self._report(flow.spec.key, BlockReason.DENIED_BY_USER if is_denied else reason)
            flow.abort(CloseReason.PEER_RST)

    def _admit(self, flow: Flow) -> None:
        """Judge it once more: a rule may have let it in, and then the next policy can end it."""
        key = flow.spec.key
        verdict = self._judge(key)
        if verdict.reason is None:
            self._by_word.discard(key)
            target = self._target(key, verdict)
            flow.spec = dataclasses.replace(flow.spec, target=target, rule=verdict.rule)

    async def _dial(self, flow: Flow) -> None:
        try:
            upstream = await self._host.dialer.dial(flow.spec.target)
        except DialError as error:
            self._report(flow.spec.key, error.reason)
            flow.abort(CloseReason.PEER_RST)
        else:
            flow.connected(upstream)

    def _reset(self, remote: bytes, segment: Segment) -> None:
        header = reset_for(self._guest.mac, remote, segment)
        if header is not None:
            self._guest.wire.send(header)

    def _report(self, key: FlowKey, reason: BlockReason, sni: str | None = None) -> None:
        self._host.log.repeated(self._event(key, EgressEventKind.BLOCKED, reason, sni))

    def _event(
        self,
        key: FlowKey,
        kind: EgressEventKind,
        reason: BlockReason | None,
        sni: str | None = None,
    ) -> EgressEvent:
        _, address, port = key
        return EgressEvent(
            kind=kind,
            host=self._guest.names.name(address),
            address=address_text(address),
            port=port,
            reason=reason,
            sni=sni,
        )

    @override
    def opened(self, flow: FlowSpec, address: str) -> None:
        self._host.log.single(self._of(flow, EgressEventKind.OPEN, real_address=address))

    @override
    def blocked(self, flow: FlowSpec, mismatch: Mismatch) -> None:
        self._report(flow.key, mismatch.reason, mismatch.name)

    @override
    def closed(self, flow: FlowSpec, reason: CloseReason) -> None:
        self._flows.pop(flow.key, None)
        self._by_word.discard(flow.key)
        if flow.statistics.was_opened:
            self._host.log.single(self._of(flow, EgressEventKind.CLOSE, close=reason))

    def _of(
        self,
        flow: FlowSpec,
        kind: EgressEventKind,
        *,
        real_address: str = "",
        close: CloseReason | None = None,
    ) -> EgressEvent:
        elapsed_s = self._loop.time() - flow.statistics.began_at
        return EgressEvent(
            kind=kind,
            host=flow.target.name,
            address=address_text(flow.key[1]),
            port=flow.key[2],
            rule=flow.rule,
            flow=flow.number,
            real_address=real_address,
            up_bytes=flow.statistics.up_bytes,
            down_bytes=flow.statistics.down_bytes,
            elapsed_ms=int(elapsed_s * 1000),
            close=close,
        )
