# SPDX-License-Identifier: Apache-2.0
"""What the user says of the guest's network while the agent works."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

from bbox_server.domain.egress.event import EgressEvent, EgressEventKind
from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.egress.policy import EgressPolicy, with_rules
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Answer, Question
from bbox_server.domain.egress.relay import RunningRelay
from bbox_server.domain.egress.rule import HostRule, host_rule, is_host_name
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import EventKind, SessionObserver


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRules:
    """What a session may reach: what it began with, and what the user added."""

    profile: EgressProfile
    rules: tuple[HostRule, ...]
    added: tuple[HostRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    relay: RunningRelay
    policy: EgressPolicy
    observer: SessionObserver


class SteerNetwork:
    """One session's network. There is one at a time, from power-on to power-off."""

    def __init__(self, kept: KeptRules) -> None:
        self._kept = kept
        self._running: _Running | None = None
        self._added: tuple[HostRule, ...] = ()
        # Dictionaries for their order.
        self._open: dict[Question, None] = {}
        self._attendants = 0
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def steering(
        self, relay: RunningRelay, policy: EgressPolicy, observer: SessionObserver
    ) -> AsyncIterator[None]:
        """Steer this relay."""
        self._running = _Running(relay=relay, policy=policy, observer=observer)
        await self._tell_attendance()
        try:
            yield
        finally:
            self._running = None
            self._open.clear()

    async def begin_with(self, policy: EgressPolicy) -> None:
        """Take this as what the session began with; what the user added stays.

        Raises: session.state, egress.relay-failed.
        """
        async with self._turn:
            self._running = running = replace(self._now(), policy=policy)
            await running.relay.update(with_rules(policy, self._added))

    def heard(self, event: EgressEvent) -> None:
        """Keep account of the questions that wait for an answer."""
        if event.host is None:
            return
        question = Question(host=event.host, port=event.port)
        if event.kind is EgressEventKind.ASK:
            self._open[question] = None
        elif event.kind is EgressEventKind.BLOCKED:
            self._open.pop(question, None)

    def questions(self) -> tuple[Question, ...]:
        """What waits for an answer now, oldest first."""
        return tuple(self._open)

    def rules(self) -> NetworkRules:
        """What may be reached now. Raises: session.state."""
        policy = self._now().policy
        return NetworkRules(profile=policy.profile, rules=policy.rules, added=self._added)

    async def attend(self) -> None:
        """Someone can answer from now on."""
        self._attendants += 1
        await self._tell_attendance()

    async def leave(self) -> None:
        """One who could answer is gone."""
        self._attendants -= 1
        await self._tell_attendance()

    async def answer(self, question: Question, answer: Answer) -> None:
        """Do as the user says, at once; a name need not have been asked for.

        Raises:
            BboxError: session.state; egress.invalid-rule; egress.relay-failed; what
                `KeptRules` raises, and then nothing is allowed.
        """
        rule = host_rule(question.host, (question.port,))
        async with self._turn:
            running = self._now()
            match answer:
                case Answer.ONCE:
                    _check_single(question)
                    await running.relay.allow_once(question)
                case Answer.SESSION:
                    await self._add(rule, running)
                case Answer.ALWAYS:
                    self._kept.keep(rule)
                    await self._add(rule, running)
                case Answer.DENY:
                    await self._deny(question, rule, running)
        self._open.pop(question, None)
        running.observer.event(
            EventKind.NETWORK_ANSWERED,
            {"host": question.host, "port": question.port, "answer": answer.value},
        )

    async def _add(self, rule: HostRule, running: _Running) -> None:
        added = tuple(dict.fromkeys((*self._added, rule)))
        await running.relay.update(with_rules(running.policy, added))
        self._added = added

    async def _deny(self, question: Question, rule: HostRule, running: _Running) -> None:
        verdict = running.policy.decide(question.host, question.port)
        if verdict.reason is None:
            allowed_by = f"the rule {verdict.rule}" if verdict.rule else "its profile"
            raise BboxError(
                ErrorCode.EGRESS_INVALID_RULE,
                cause=f"The session began with {question} allowed, by {allowed_by}.",
                remediation="Start another session with a stricter --egress-profile.",
            )
        added = tuple(other for other in self._added if other != rule)
        await running.relay.update(with_rules(running.policy, added))
        self._added = added
        if is_host_name(question.host):
            await running.relay.deny(question)

    def _now(self) -> _Running:
        if self._running is None:
            raise BboxError(
                ErrorCode.SESSION_STATE,
                cause="The session has no network: its microVM does not run.",
                remediation="`bbox sessions` shows the state of each session.",
            )
        return self._running

    async def _tell_attendance(self) -> None:
        if self._running is not None:
            # A relay that is gone is told by whoever waits for it.
            with suppress(BboxError):
                await self._running.relay.let_ask(can_ask=self._attendants > 0)


def _check_single(question: Question) -> None:
    if not is_host_name(question.host):
        raise BboxError(
            ErrorCode.EGRESS_INVALID_RULE,
            cause=f"{question} is a wildcard, and once is for one name.",
            remediation="Allow it for the session, or write the name that is meant.",
        )
