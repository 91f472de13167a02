# SPDX-License-Identifier: Apache-2.0
"""Reviews as the vectors ask for them, by the command line's own prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO, StringIO, TextIOWrapper

from typing_extensions import override

from bbox_server.application.open_review import ReviewParts, SessionReview
from bbox_server.application.session_journal import SessionJournal
from bbox_server.application.undo_flush import RecoverFlush
from bbox_server.domain.desk import Desk
from bbox_server.domain.hunk import BINARY_PROBE_BYTES
from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.review_prompt import ReviewPrompt
from bbox_server.entrypoints.cli.style import Style
from tests.application.review_ground import ReviewGround, ground
from tests.fakes.credential import RecordingObserver
from tests.fakes.overlay import Node
from tests.fakes.session import MemorySessionStore


@dataclass(frozen=True, kw_only=True)
class EmptyDesk(Desk):
    """An editor that changes nothing and a pager that nobody reads."""

    @override
    def edit(self, content: bytes, name: str) -> bytes | None:
        return None

    @override
    def show(self, text: str) -> None:
        pass


async def decided(files: list[str], typed: str) -> object:
    """What somebody accepts who types that; the rest does not reach the workspace."""
    session = ground({}, dict.fromkeys(files, b"x\n"))
    console = Console(
        out=StringIO(),
        error=StringIO(),
        input=TextIOWrapper(BytesIO(typed.encode())),
        style=Style(colour=False),
    )
    await ReviewPrompt(review=opened(session), desk=EmptyDesk(), console=console)()
    return await _accepted(session)


async def accepted_unasked(files: list[str]) -> object:
    """What is accepted when nobody is asked."""
    session = ground({}, dict.fromkeys(files, b"x\n"))
    _, bulk = await session.review.accept_ordinary()
    accepted = await _accepted(session)
    return accepted | {"confirmed by name": [str(path) for path in bulk.to_confirm]}


async def shown(question: Mapping[str, str]) -> object:
    """The lines that a user sees of an added or deleted file."""
    if "deleted" in question:
        return await _lines({"f": question["deleted"].encode()}, {})
    text = question.get("added", "")
    if text.startswith("NUL only after"):
        content = b"x" * BINARY_PROBE_BYTES + b"\0\n"
        return "treated as text" if await _lines({}, {"f": content}) else "Binary file differs"
    content = bytes.fromhex(question.get("added_bytes_hex", "")) or text.encode()
    lines = await _lines({}, {"f": content})
    if content and not lines:
        return "Binary file differs"
    return f"--- /dev/null\n+++ b/{question['path']}\n{lines}"


def opened(session: ReviewGround) -> SessionReview:
    """The session as the command line holds it."""
    store, observer = MemorySessionStore(), RecordingObserver()
    record = SessionRecord(
        id=SessionId("00000001"),
        state=SessionState.REVIEWING,
        agent="agent",
        workspace=HostPath("/w"),
        command=(),
        image="",
        created_at=1.0,
    )
    store.create(record)
    parts = ReviewParts(
        changes=session.review,
        flush=session.flush,
        undo=session.undo,
        recover=RecoverFlush(flusher=session.flush.flusher),
        observer=observer,
    )
    journal = SessionJournal(record=record, store=store, observer=observer)
    return SessionReview(changes=session.review, parts=parts, journal=journal)


async def _accepted(session: ReviewGround) -> dict[str, list[str]]:
    items = (await session.review.list()).items
    return {
        "accepted": [str(item.change.path) for item in items if item.is_accepted],
        "rejected": [str(item.change.path) for item in items if not item.is_accepted],
    }


async def _lines(baseline: dict[str, bytes | Node], agent: dict[str, bytes | Node]) -> str:
    session = ground(baseline, agent)
    hunks = await session.review.hunks((await session.item("f")).change.id)
    return "".join(
        f"{line.origin}{line.content.decode('latin-1').removesuffix(chr(10))}\n"
        for hunk in hunks
        for line in hunk.lines
    )
