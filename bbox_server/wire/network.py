# SPDX-License-Identifier: Apache-2.0
"""The guest's network, as clients see and steer it (protocol.md)."""

from pydantic import Field

from bbox_server.domain.egress.profile import EgressProfile
from bbox_server.domain.egress.question import Answer, Question
from bbox_server.domain.egress.rule import HostRule
from bbox_server.wire.model import Message


class QuestionMessage(Message):
    """A name and a port that the guest waits for. The name is the guest's word, never a link."""

    host: str
    port: int


class NetworkQuestions(Message):
    """What waits for an answer now, oldest first."""

    session: str
    questions: tuple[QuestionMessage, ...]


class NetworkAnswerParams(Message):
    """Allow or refuse a name and port, asked for or not; effective at once.

    `once` is for what waits and what follows within a minute, `session` until the session ends;
    `always` is written to the user's config as well.
    """

    session: str
    host: str = Field(max_length=253)
    port: int = Field(ge=1, le=65535)
    answer: Answer


class RuleMessage(Message):
    """A name, or `*.` and a name; without ports 443 and 80."""

    host: str
    ports: tuple[int, ...]


class NetworkRulesMessage(Message):
    """What the session began with, and what the user added since."""

    session: str
    profile: EgressProfile
    rules: tuple[RuleMessage, ...]
    added: tuple[RuleMessage, ...]


def question_message(question: Question) -> QuestionMessage:
    """A question for a client."""
    return QuestionMessage(host=question.host, port=question.port)


def rule_message(rule: HostRule) -> RuleMessage:
    """A rule for a client."""
    return RuleMessage(host=rule.name, ports=rule.open_ports)
