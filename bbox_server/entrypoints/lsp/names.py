# SPDX-License-Identifier: Apache-2.0
"""The methods' names, without the messages: to answer `initialize` nothing more is needed.

A test holds them against the wire's table.
"""

from typing import Final

PROTOCOL_VERSION: Final = 1

CALLER_METHODS: Final = (
    "bbox/agents/list",
    "bbox/sessions/list",
    "bbox/sessions/get",
    "bbox/sessions/log",
    "bbox/trust/get",
    "bbox/trust/decide",
    "bbox/doctor",
)
HOST_METHODS: Final = (
    "bbox/sessions/stop",
    "bbox/sessions/discard",
    "bbox/subscribe",
    "bbox/unsubscribe",
    "bbox/terminal/open",
    "bbox/terminal/input",
    "bbox/terminal/resize",
    "bbox/terminal/ack",
    "bbox/terminal/close",
    "bbox/changes/list",
    "bbox/changes/get",
    "bbox/file/read",
    "bbox/review/decide",
    "bbox/review/draft",
    "bbox/review/edit",
    "bbox/review/undo",
    "bbox/flush/plan",
    "bbox/flush/apply",
    "bbox/flush/undo",
    "bbox/flush/forward",
    "bbox/network/list",
    "bbox/network/answer",
    "bbox/network/rules",
)
RUN: Final = "bbox/run"
LARGE_ANSWERS: Final = frozenset(
    {
        "bbox/changes/list",
        "bbox/changes/get",
        "bbox/file/read",
        "bbox/review/decide",
        "bbox/review/draft",
        "bbox/review/edit",
        "bbox/review/undo",
    }
)
"""They carry contents of files, or lines of them."""

COMMANDS: Final = (
    "bbox.run",
    "bbox.stop",
    "bbox.review",
    "bbox.decide",
    "bbox.apply",
    "bbox.undo",
    "bbox.undoDecision",
    "bbox.showDiff",
)
