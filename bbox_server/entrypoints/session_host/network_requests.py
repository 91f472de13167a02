# SPDX-License-Identifier: Apache-2.0
"""The network of one session, as one client asks about it and answers for it."""

from collections.abc import Awaitable, Callable
from typing import Any

from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.egress.question import Question
from bbox_server.domain.session import SessionId
from bbox_server.wire.model import Message
from bbox_server.wire.network import (
    NetworkAnswerParams,
    NetworkQuestions,
    NetworkRulesMessage,
    question_message,
    rule_message,
)
from bbox_server.wire.review_request import SessionParams
from bbox_server.wire.run import Done


class NetworkRequests:
    """Knows whether its client answers questions, so that none waits for one that is gone."""

    def __init__(self, network: SteerNetwork, session: SessionId) -> None:
        self._network = network
        self._session = session
        self._attends = False

    def answers(self) -> dict[str, Callable[[Any], Awaitable[Message]]]:
        """The methods by name."""
        return {
            "bbox/network/list": self._list,
            "bbox/network/answer": self._answer,
            "bbox/network/rules": self._rules,
        }

    async def attend(self, *, answers: bool) -> None:
        """Say whether the client answers questions; False when it leaves."""
        if answers and not self._attends:
            self._attends = True
            await self._network.attend()
        elif self._attends and not answers:
            self._attends = False
            await self._network.leave()

    async def _list(self, _: SessionParams) -> NetworkQuestions:
        questions = tuple(question_message(each) for each in self._network.questions())
        return NetworkQuestions(session=self._session, questions=questions)

    async def _answer(self, params: NetworkAnswerParams) -> Done:
        question = Question(host=params.host.lower(), port=params.port)
        await self._network.answer(question, params.answer)
        return Done()

    async def _rules(self, _: SessionParams) -> NetworkRulesMessage:
        found = self._network.rules()
        return NetworkRulesMessage(
            session=self._session,
            profile=found.profile,
            rules=tuple(rule_message(rule) for rule in found.rules),
            added=tuple(rule_message(rule) for rule in found.added),
        )
