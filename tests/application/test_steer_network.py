# SPDX-License-Identifier: Apache-2.0
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.egress.kept import KeptRules
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Answer, Question
from bbox_server.domain.egress.relay import RelaySpec
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import EventKind, SessionId
from bbox_server.domain.workspace import HostPath
from tests.fakes.credential import RecordingObserver
from tests.fakes.egress import FakeRunningRelay, MemoryKeptRules

OLD = HostRule(name="old.test", ports=(443,))
NEW = Question(host="new.test", port=22)
POLICY = EgressPolicy(profile=EgressProfile.STANDARD, rules=(OLD,))


class FullDisk(KeptRules):
    @override
    def keep(self, rule: HostRule) -> None:
        raise BboxError(
            ErrorCode.DIRECTORY_UNUSABLE, cause=f"No room for {rule}.", remediation="Make room."
        )


@dataclass
class Scene:
    kept: MemoryKeptRules = field(default_factory=MemoryKeptRules)
    observer: RecordingObserver = field(default_factory=RecordingObserver)

    def __post_init__(self) -> None:
        self.network = SteerNetwork(self.kept)
        spec = RelaySpec(session=SessionId("00000000"), socket=HostPath("/x"), policy=POLICY)
        self.relay = FakeRunningRelay(spec, self.network.heard)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.network.steering(self.relay, POLICY, self.observer):
            yield


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_nobody_is_asked_until_someone_attends_and_after_the_last_has_left(
    scene: Scene,
) -> None:
    await scene.network.attend()
    async with scene.running():
        assert scene.relay.can_ask
        await scene.network.attend()
        await scene.network.leave()
        assert scene.relay.can_ask
        await scene.network.leave()
        assert not scene.relay.can_ask


async def test_what_waits_is_listed_until_it_is_answered(scene: Scene) -> None:
    async with scene.running():
        await scene.network.attend()
        assert not scene.relay.connect(NEW.host, NEW.port)
        assert scene.network.questions() == (NEW,)
        await scene.network.answer(NEW, Answer.DENY)
        assert scene.network.questions() == ()


async def test_once_adds_no_rule(scene: Scene) -> None:
    async with scene.running():
        await scene.network.answer(NEW, Answer.ONCE)
        assert scene.relay.connect(NEW.host, NEW.port)
        assert scene.network.rules().added == ()


@pytest.mark.parametrize("answer", [Answer.SESSION, Answer.ALWAYS])
async def test_an_allowed_name_counts_at_once_on_its_port_alone(
    scene: Scene, answer: Answer
) -> None:
    async with scene.running():
        await scene.network.answer(NEW, answer)
        assert scene.relay.connect(NEW.host, NEW.port)
        assert not scene.relay.connect(NEW.host, NEW.port + 1)
        assert scene.relay.connect(OLD.name, 443)
        rule = HostRule(name=NEW.host, ports=(NEW.port,))
        assert scene.network.rules().added == (rule,)
    assert scene.kept.rules == ([rule] if answer is Answer.ALWAYS else [])


async def test_the_users_word_is_an_event(scene: Scene) -> None:
    async with scene.running():
        await scene.network.answer(NEW, Answer.SESSION)
    assert scene.observer.events == [
        (EventKind.NETWORK_ANSWERED, {"host": "new.test", "port": 22, "answer": "session"})
    ]


async def test_an_added_rule_can_be_taken_back(scene: Scene) -> None:
    async with scene.running():
        await scene.network.answer(NEW, Answer.SESSION)
        await scene.network.answer(NEW, Answer.DENY)
        assert not scene.relay.connect(NEW.host, NEW.port)
        assert scene.network.rules().added == ()


async def test_what_the_session_began_with_can_not_be_denied(scene: Scene) -> None:
    async with scene.running():
        with pytest.raises(BboxError, match=r"old\.test:443"):
            await scene.network.answer(Question(host="old.test", port=443), Answer.DENY)
        assert scene.relay.connect(OLD.name, 443)


@pytest.mark.parametrize("host", ["", "10.0.0.1", "*.com", "a b", "x" * 300])
async def test_only_names_can_be_allowed(scene: Scene, host: str) -> None:
    async with scene.running():
        with pytest.raises(BboxError) as raised:
            await scene.network.answer(Question(host=host, port=443), Answer.ALWAYS)
    assert raised.value.code is ErrorCode.EGRESS_INVALID_RULE
    assert scene.kept.rules == []


async def test_what_can_not_be_kept_is_not_allowed_either(scene: Scene) -> None:
    scene.network = SteerNetwork(FullDisk())
    async with scene.running():
        with pytest.raises(BboxError):
            await scene.network.answer(NEW, Answer.ALWAYS)
        assert not scene.relay.connect(NEW.host, NEW.port)


async def test_a_session_without_a_vm_has_no_network(scene: Scene) -> None:
    async with scene.running():
        pass
    with pytest.raises(BboxError) as raised:
        await scene.network.answer(NEW, Answer.SESSION)
    assert raised.value.code is ErrorCode.SESSION_STATE


async def test_a_client_that_leaves_a_dead_network_is_no_failure(scene: Scene) -> None:
    async with scene.running():
        await scene.network.attend()
        scene.relay.crash()
        await scene.network.leave()
        with pytest.raises(BboxError):
            await scene.network.answer(NEW, Answer.SESSION)
        assert scene.network.rules().added == ()


async def test_a_wildcard_is_a_rule_and_no_answer_for_once(scene: Scene) -> None:
    wild = Question(host="*.new.test", port=443)
    async with scene.running():
        with pytest.raises(BboxError, match="wildcard"):
            await scene.network.answer(wild, Answer.ONCE)
        await scene.network.answer(wild, Answer.SESSION)
        assert scene.relay.connect("a.new.test", 443)
        await scene.network.answer(wild, Answer.DENY)
        assert not scene.relay.connect("a.new.test", 443)
