# SPDX-License-Identifier: Apache-2.0
"""Commands of `workspace/executeCommand`: bbox for editors that know nothing of bbox/*.

Each takes one object. A session that is not named is the newest one of the editor's workspace
that can be reviewed.
"""

from typing import Final

from bbox_server.wire import example
from bbox_server.wire.lifecycle import HowToStop
from bbox_server.wire.method import Method, Place
from bbox_server.wire.model import Message
from bbox_server.wire.review import FlushMessage, PlanMessage
from bbox_server.wire.review_request import DecideParams, Reviewed
from bbox_server.wire.run import RunOptions, TerminalSizeMessage
from bbox_server.wire.session import SessionMessage


class RunCommand(Message):
    """Start an agent, or `args` in any image; the user is asked which agent if none is named.

    The workspace is the editor's if none is named. Without `terminal` the agent runs on pipes and
    has no input; with it, `bbox attach` shows it.
    """

    agent: str | None = None
    image: str | None = None
    args: tuple[str, ...] = ()
    workspace_uri: str | None = None
    options: RunOptions = RunOptions()
    terminal: TerminalSizeMessage | None = None


class StopCommand(Message):
    """End a session's agent and its microVM; the changes stay for review."""

    session: str | None = None
    mode: HowToStop = HowToStop.GRACEFUL


class ReviewCommand(Message):
    """Show a session's changes as diagnostics, also those that come later."""

    session: str | None = None


class ReviewSummary(Message):
    """How many changes are decided how; `uris` are the files that have diagnostics."""

    session: str
    undecided: int
    accepted: int
    rejected: int
    withheld: int
    uris: tuple[str, ...] = ()


class ApplyCommand(Message):
    """Write what was accepted. The user sees the plan first, where the editor can ask."""

    session: str | None = None
    ask: bool = True


class Applied(Message):
    """What was planned and what was done; no `flush` where nothing was to be done or wanted."""

    session: str
    plan: PlanMessage
    flush: FlushMessage | None = None


COMMANDS: Final = (
    Method(
        name="bbox.run",
        params=RunCommand,
        result=SessionMessage,
        place=Place.CALLER,
        sent={"agent": "codex", "args": ["exec", "fix the bug"]},
        answered=example.SESSION,
    ),
    Method(
        name="bbox.stop",
        params=StopCommand,
        result=SessionMessage,
        place=Place.CALLER,
        sent={"mode": "graceful"},
        answered=example.SESSION,
    ),
    Method(
        name="bbox.review",
        params=ReviewCommand,
        result=ReviewSummary,
        place=Place.CALLER,
        sent=example.ONE,
        answered={
            **example.ONE,
            "undecided": 1,
            "accepted": 0,
            "rejected": 0,
            "withheld": 0,
            "uris": ["file:///home/ada/tally/src/money.py"],
        },
    ),
    Method(
        name="bbox.decide",
        params=DecideParams,
        result=Reviewed,
        place=Place.CALLER,
        sent=example.DECIDE,
        answered=example.REVIEWED,
    ),
    Method(
        name="bbox.apply",
        params=ApplyCommand,
        result=Applied,
        place=Place.CALLER,
        sent={**example.ONE, "ask": False},
        answered={**example.ONE, "plan": example.PLAN, "flush": example.FLUSH},
    ),
)
