# SPDX-License-Identifier: Apache-2.0
"""A client that steers a session's network."""

from collections.abc import AsyncIterator

import pytest

from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.egress.policy import EgressPolicy
from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Answer
from bbox_server.domain.egress.relay import RelaySpec
from bbox_server.domain.egress.rule import HostRule
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.session_host.network_requests import NetworkRequests
from bbox_server.wire.network import NetworkAnswerParams
from bbox_server.wire.review_request import SessionParams
from tests.fakes.credential import RecordingObserver
from tests.fakes.egress import FakeRunningRelay, MemoryKeptRules

SESSION = SessionId("3f9a1c07")
ONE = SessionParams(session=SESSION)
POLICY = EgressPolicy(profile=EgressProfile.LOCKED, rules=(HostRule(name="old.test"),))


class Scene:
    def __init__(self) -> None:
        self.network = SteerNetwork(MemoryKeptRules())
        spec = RelaySpec(session=SESSION, socket=HostPath("/x"), policy=POLICY)
        self.relay = FakeRunningRelay(spec, self.network.heard)
        self.requests = NetworkRequests(self.network, SESSION)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    async with scene.network.steering(scene.relay, POLICY, RecordingObserver()):
        yield scene


async def test_an_answer_is_a_rule_in_the_list(scene: Scene) -> None:
    answer = NetworkAnswerParams(session=SESSION, host="New.test", port=22, answer=Answer.SESSION)
    await scene.requests.answers()["bbox/network/answer"](answer)
    listed = await scene.requests.answers()["bbox/network/rules"](ONE)
    assert listed.to_object() == {
        "session": SESSION,
        "profile": "locked",
        "rules": ({"host": "old.test", "ports": (443, 80)},),
        "added": ({"host": "new.test", "ports": (22,)},),
    }


async def test_what_waits_is_listed(scene: Scene) -> None:
    await scene.requests.attend(answers=True)
    scene.relay.connect("new.test", 443)
    listed = await scene.requests.answers()["bbox/network/list"](ONE)
    assert listed.to_object() == {
        "session": SESSION,
        "questions": ({"host": "new.test", "port": 443},),
    }


async def test_a_client_counts_once_and_not_at_all_when_it_left(scene: Scene) -> None:
    other = NetworkRequests(scene.network, SESSION)
    for answers in (True, True, False, False):
        await scene.requests.attend(answers=answers)
    assert not scene.relay.can_ask
    await other.attend(answers=True)
    await scene.requests.attend(answers=False)
    assert scene.relay.can_ask
