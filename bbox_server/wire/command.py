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


class UndoCommand(Message):
    """Take a flush back; the last one if none is named. What was edited since stays as it is."""

    session: str | None = None
    flush: int | None = None


class UndoDecisionCommand(Message):
    """Take the last decision back."""

    session: str | None = None


class ShowDiffCommand(Message):
    """Show a change as a unified diff, in a window of the editor's where it can open files."""

    session: str | None = None
    change: str


class DiffShown(Message):
    """The diff, and a file: URI outside of the workspace that has it."""

    session: str
    change: str
    uri: str
    diff: str


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
    Method(
        name="bbox.undo",
        params=UndoCommand,
        result=FlushMessage,
        place=Place.CALLER,
        sent=example.ONE,
        answered={**example.FLUSH, "kind": "undo"},
    ),
    Method(
        name="bbox.undoDecision",
        params=UndoDecisionCommand,
        result=Reviewed,
        place=Place.CALLER,
        sent=example.ONE,
        answered=example.REVIEWED,
    ),
    Method(
        name="bbox.showDiff",
        params=ShowDiffCommand,
        result=DiffShown,
        place=Place.CALLER,
        sent={**example.ONE, "change": "c1"},
        answered={
            **example.ONE,
            "change": "c1",
            "uri": "file:///home/ada/.local/state/bbox/sessions/3f9a1c07/diffs/money.py.diff",
            "diff": "--- a/src/money.py\n+++ b/src/money.py\n@@ -1 +1 @@\n-old\n+new\n",
        },
    ),
)
