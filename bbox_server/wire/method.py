# SPDX-License-Identifier: Apache-2.0
"""The table of the protocol: every method and notification, its messages, and an example."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bbox_server.wire import example
from bbox_server.wire.commit import ForwardMessage, ForwardParams
from bbox_server.wire.event import EventMessage, LogMessage, SubscribeParams, UnsubscribeParams
from bbox_server.wire.lifecycle import SessionsListParams, StopParams
from bbox_server.wire.model import Message
from bbox_server.wire.network import (
    NetworkAnswerParams,
    NetworkQuestions,
    NetworkRulesMessage,
)
from bbox_server.wire.review import FlushMessage, PlanMessage
from bbox_server.wire.review_request import (
    ChangeDetail,
    ChangeParams,
    ChangesListParams,
    ChangesPage,
    DecideParams,
    DraftMessage,
    EditParams,
    FileContent,
    FileReadParams,
    FlushApplyParams,
    FlushPlanParams,
    FlushUndoParams,
    Reviewed,
    SessionParams,
)
from bbox_server.wire.run import AgentsMessage, Done, NoParams, RunParams
from bbox_server.wire.session import (
    DoctorMessage,
    SessionLost,
    SessionMessage,
    SessionsMessage,
)
from bbox_server.wire.terminal import (
    TerminalAckParams,
    TerminalCloseParams,
    TerminalData,
    TerminalEnded,
    TerminalInputParams,
    TerminalOpened,
    TerminalOpenParams,
    TerminalResizeParams,
)
from bbox_server.wire.trust import TrustDecideParams, TrustMessage, TrustParams


class Place(StrEnum):
    """Who answers: the session's host, or the process that the client talks to."""

    HOST = "host"
    CALLER = "caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A request. The examples are what is sent and what may be answered."""

    name: str
    params: type[Message]
    result: type[Message]
    place: Place = Place.HOST
    sent: Mapping[str, object] = field(default_factory=dict)
    answered: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What a server tells a client unasked."""

    name: str
    params: type[Message]
    sent: Mapping[str, object]


METHODS: Final = (
    Method(
        name="bbox/agents/list",
        params=NoParams,
        result=AgentsMessage,
        place=Place.CALLER,
        answered=example.AGENTS,
    ),
    Method(
        name="bbox/run",
        params=RunParams,
        result=SessionMessage,
        sent=example.RUN,
        answered=example.SESSION,
    ),
    Method(
        name="bbox/sessions/list",
        params=SessionsListParams,
        result=SessionsMessage,
        place=Place.CALLER,
        sent={"workspaceUri": "file:///home/ada/tally"},
        answered={"sessions": [example.SESSION]},
    ),
    Method(
        name="bbox/sessions/get",
        params=SessionParams,
        result=SessionMessage,
        place=Place.CALLER,
        sent=example.ONE,
        answered=example.SESSION,
    ),
    Method(
        name="bbox/sessions/log",
        params=SessionParams,
        result=LogMessage,
        place=Place.CALLER,
        sent=example.ONE,
        answered={
            **example.ONE,
            "events": [example.EVENT],
            "console": "bbox: ready\n",
        },
    ),
    Method(
        name="bbox/sessions/stop",
        params=StopParams,
        result=SessionMessage,
        sent={**example.ONE, "mode": "graceful"},
        answered=example.SESSION,
    ),
    Method(name="bbox/sessions/discard", params=SessionParams, result=Done, sent=example.ONE),
    Method(
        name="bbox/subscribe",
        params=SubscribeParams,
        result=Done,
        sent={**example.ONE, "fromSeq": 1},
    ),
    Method(name="bbox/unsubscribe", params=UnsubscribeParams, result=Done, sent=example.ONE),
    Method(
        name="bbox/terminal/open",
        params=TerminalOpenParams,
        result=TerminalOpened,
        sent={**example.ONE, "fromByte": 0, "size": {"cols": 100, "rows": 30}},
        answered={"terminal": "1", "fromByte": 0, "endByte": 4096, "window": 1048576},
    ),
    Method(
        name="bbox/terminal/input",
        params=TerminalInputParams,
        result=Done,
        sent={**example.TERMINAL, "data": "bHMK"},
    ),
    Method(
        name="bbox/terminal/resize",
        params=TerminalResizeParams,
        result=Done,
        sent={**example.TERMINAL, "size": {"cols": 120, "rows": 40}},
    ),
    Method(
        name="bbox/terminal/ack",
        params=TerminalAckParams,
        result=Done,
        sent={**example.TERMINAL, "byte": 4096},
    ),
    Method(
        name="bbox/terminal/close",
        params=TerminalCloseParams,
        result=Done,
        sent=example.TERMINAL,
    ),
    Method(
        name="bbox/changes/list",
        params=ChangesListParams,
        result=ChangesPage,
        sent={**example.ONE, "limit": 100},
        answered={
            **example.ONE,
            "revision": 3,
            "changes": [example.CHANGE],
            "branches": [example.BRANCH],
        },
    ),
    Method(
        name="bbox/changes/get",
        params=ChangeParams,
        result=ChangeDetail,
        sent={**example.ONE, "change": example.CHANGE["id"]},
        answered={**example.ONE, "revision": 3, "change": example.CHANGE_WITH_HUNKS},
    ),
    Method(
        name="bbox/file/read",
        params=FileReadParams,
        result=FileContent,
        sent={**example.ONE, "side": "agent", "path": "src/money.py"},
        answered=example.CONTENT,
    ),
    Method(
        name="bbox/review/decide",
        params=DecideParams,
        result=Reviewed,
        sent=example.DECIDE,
        answered=example.REVIEWED,
    ),
    Method(
        name="bbox/review/draft",
        params=ChangeParams,
        result=DraftMessage,
        sent={**example.ONE, "change": example.CHANGE["id"]},
        answered=example.DRAFT,
    ),
    Method(
        name="bbox/review/edit",
        params=EditParams,
        result=Reviewed,
        sent=example.EDIT,
        answered=example.REVIEWED,
    ),
    Method(
        name="bbox/review/undo",
        params=SessionParams,
        result=Reviewed,
        sent=example.ONE,
        answered=example.REVIEWED,
    ),
    Method(
        name="bbox/flush/plan",
        params=FlushPlanParams,
        result=PlanMessage,
        sent=example.ONE,
        answered=example.PLAN,
    ),
    Method(
        name="bbox/flush/apply",
        params=FlushApplyParams,
        result=FlushMessage,
        sent={**example.ONE, "planHash": example.PLAN["planHash"]},
        answered=example.FLUSH,
    ),
    Method(
        name="bbox/flush/undo",
        params=FlushUndoParams,
        result=FlushMessage,
        sent={**example.ONE, "flush": 1},
        answered={**example.FLUSH, "flush": 2, "kind": "undo"},
    ),
    Method(
        name="bbox/flush/forward",
        params=ForwardParams,
        result=ForwardMessage,
        sent={**example.ONE, "flush": 1},
        answered={**example.ONE, "refs": [example.FORWARDED]},
    ),
    Method(
        name="bbox/network/list",
        params=SessionParams,
        result=NetworkQuestions,
        sent=example.ONE,
        answered={**example.ONE, "questions": [example.QUESTION]},
    ),
    Method(
        name="bbox/network/answer",
        params=NetworkAnswerParams,
        result=Done,
        sent={**example.ONE, **example.QUESTION, "answer": "session"},
    ),
    Method(
        name="bbox/network/rules",
        params=SessionParams,
        result=NetworkRulesMessage,
        sent=example.ONE,
        answered=example.NETWORK_RULES,
    ),
    Method(
        name="bbox/trust/get",
        params=TrustParams,
        result=TrustMessage,
        place=Place.CALLER,
        sent={"workspaceUri": "file:///home/ada/tally"},
        answered=example.TRUST,
    ),
    Method(
        name="bbox/trust/decide",
        params=TrustDecideParams,
        result=TrustMessage,
        place=Place.CALLER,
        sent={
            "workspaceUri": "file:///home/ada/tally",
            "digest": example.TRUST_DIGEST,
            "decision": "trusted",
        },
        answered={**example.TRUST, "decision": "trusted"},
    ),
    Method(
        name="bbox/doctor",
        params=NoParams,
        result=DoctorMessage,
        place=Place.CALLER,
        answered=example.DOCTOR,
    ),
)

NOTIFICATIONS: Final = (
    Notification(name="bbox/event", params=EventMessage, sent=example.EVENT),
    Notification(
        name="bbox/terminal/data",
        params=TerminalData,
        sent={**example.TERMINAL, "fromByte": 0, "data": "aGkNCg==", "stream": "output"},
    ),
    Notification(
        name="bbox/terminal/ended",
        params=TerminalEnded,
        sent={**example.TERMINAL, "endByte": 4100},
    ),
    Notification(name="bbox/session/lost", params=SessionLost, sent=example.ONE),
)
