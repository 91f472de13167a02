# SPDX-License-Identifier: Apache-2.0
"""The review as a user types it and as a script asks for it, on fakes."""

import io
import json
from pathlib import PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.application.open_review import ReviewParts, SessionReview
from bbox_server.application.session_journal import SessionJournal
from bbox_server.application.undo_flush import RecoverFlush
from bbox_server.domain.commit import CommitId
from bbox_server.domain.desk import Desk
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.entrypoints.cli import review_command
from bbox_server.entrypoints.cli.arguments import parse
from bbox_server.entrypoints.cli.console import Console
from bbox_server.entrypoints.cli.style import Style
from bbox_server.wire.commit import branch_of
from bbox_server.wire.review import review_message
from tests.application.review_ground import ReviewGround, ground
from tests.fakes.credential import RecordingObserver
from tests.fakes.session import MemorySessionStore

BEFORE = b"".join(b"line %d\n" % number for number in range(30))
AFTER = BEFORE.replace(b"line 2\n", b"line two\n").replace(b"line 27\n", b"line 27!\n")


class FakeDesk(Desk):
    """An editor that writes what a test wants, and a pager that remembers."""

    def __init__(self, edited: bytes | None = None) -> None:
        self.edited = edited
        self.shown: list[str] = []

    @override
    def edit(self, content: bytes, name: str) -> bytes | None:
        return self.edited

    @override
    def show(self, text: str) -> None:
        self.shown.append(text)


class TypedInput(io.StringIO):
    """A terminal on which a user has typed already."""

    @override
    def isatty(self) -> bool:
        return True


class Screen(io.StringIO):
    """What the user sees."""

    @override
    def isatty(self) -> bool:
        return True


def typed(*answers: str) -> Console:
    text = "".join(f"{answer}\n" for answer in answers)
    return Console(out=Screen(), error=Screen(), input=TypedInput(text), style=Style(colour=False))


def screen(console: Console) -> str:
    assert isinstance(console.out, Screen)
    return console.out.getvalue()


class Opened:
    """A review of a small change set: two hunks, a Makefile, a task that runs on the host."""

    def __init__(self) -> None:
        self.ground: ReviewGround = ground(
            {"a.txt": BEFORE, "gone.txt": b"x\n"},
            {
                "a.txt": AFTER,
                "Makefile": b"all:\n",
                ".vscode/tasks.json": b"{}\n",
                "new\x1b[2J.txt": b"n\n",
            },
        )
        self.store = MemorySessionStore()
        record = SessionRecord(
            id=SessionId("00000001"),
            state=SessionState.REVIEWING,
            agent="agent",
            workspace=HostPath("/w"),
            command=(),
            image="",
            created_at=1.0,
        )
        self.store.create(record)
        parts = ReviewParts(
            changes=self.ground.review,
            flush=self.ground.flush,
            undo=self.ground.undo,
            recover=RecoverFlush(flusher=self.ground.flush.flusher),
            observer=RecordingObserver(),
        )
        journal = SessionJournal(record=record, store=self.store, observer=parts.observer)
        self.review = SessionReview(changes=self.ground.review, parts=parts, journal=journal)

    def content(self, name: str) -> bytes | None:
        node = self.ground.workspace.nodes.get(PurePosixPath(name))
        return None if node is None else node.content


@pytest.fixture
def opened() -> Opened:
    return Opened()


async def ask(opened: Opened, *answers: str, desk: FakeDesk | None = None) -> Console:
    console = typed(*answers)
    await review_command.review_interactively(opened.review, desk or FakeDesk(), console)
    return console


async def test_hunks_are_taken_and_left_one_by_one(opened: Opened) -> None:
    console = await ask(opened, "h", "y", "n", "n", "n", "n", "n", "y")
    assert opened.content("a.txt") == BEFORE.replace(b"line 2\n", b"line two\n")
    assert opened.content("gone.txt") == b"x\n"
    assert "Apply hunk 2 of 2 of a.txt?" in screen(console)


async def test_accept_all_stops_at_build_files_and_at_what_runs_on_the_host(
    opened: Opened,
) -> None:
    console = await ask(opened, "a", "n", "n", "y", "y")
    assert "Apply these build files too: Makefile?" in screen(console)
    assert opened.content("a.txt") == AFTER
    assert opened.content("gone.txt") is None
    assert opened.content("Makefile") is None
    assert opened.content(".vscode/tasks.json") == b"{}\n"


async def test_an_empty_answer_decides_nothing(opened: Opened) -> None:
    console = await ask(opened, "", "q")
    assert "Invalid input" in screen(console)
    assert (await opened.review.changes.list()).undecided
    assert "Go on with: bbox review 00000001" in screen(console)


async def test_the_end_of_the_input_decides_nothing(opened: Opened) -> None:
    await ask(opened)
    assert opened.content("a.txt") == BEFORE
    assert len((await opened.review.changes.list()).undecided) == 5


async def test_what_is_edited_is_what_is_applied(opened: Opened) -> None:
    desk = FakeDesk(edited=b"mine\n")
    await ask(opened, "e", "n", "n", "n", "n", "y", desk=desk)
    assert opened.content("a.txt") == b"mine\n"


async def test_a_decision_can_be_taken_back(opened: Opened) -> None:
    await ask(opened, "y", "u", "n", "n", "n", "n", "n")
    assert opened.content("a.txt") == BEFORE


async def test_rejecting_all_applies_nothing_and_ends_the_session(opened: Opened) -> None:
    console = await ask(opened, "A")
    assert "No changes accepted." in screen(console)
    assert opened.store.states[-1] is SessionState.DONE


async def test_names_of_the_guest_play_no_tricks(opened: Opened) -> None:
    console = await ask(opened, "q")
    assert "\x1b" not in screen(console)
    assert "new" in screen(console)


async def test_declining_the_plan_writes_nothing(opened: Opened) -> None:
    console = await ask(opened, "y", "y", "y", "y", "y", "n")
    assert "Nothing is written" in screen(console)
    assert opened.content("a.txt") == BEFORE


async def test_a_hunk_that_is_not_there_is_named(opened: Opened) -> None:
    values = parse(["review", "--accept", "a.txt#3"], lambda: "1").values
    with pytest.raises(BboxError) as raised:
        await review_command.decide_by_options(opened.review, values, typed())
    assert raised.value.code is ErrorCode.REVIEW_INVALID
    assert "it has 2" in raised.value.cause


async def test_options_accept_a_hunk_and_say_what_needs_more(opened: Opened) -> None:
    console = typed()
    values = parse(
        ["review", "--accept", "a.txt#2", "--reject", "gone.txt", "--accept-all"], lambda: "1"
    )
    await review_command.decide_by_options(opened.review, values.values, console)
    assert isinstance(console.error, Screen)
    assert "these are build files: Makefile" in console.error.getvalue()
    assert ".vscode/tasks.json. Accept each with --accept PATH" in console.error.getvalue()
    assert await review_command.flush_all(opened.review, console) == 0
    assert opened.content("gone.txt") == b"x\n"
    assert opened.content("a.txt") == AFTER


async def test_the_json_of_a_review_is_the_wires(opened: Opened) -> None:
    listed = await opened.review.changes.list()
    message = json.loads(review_message("00000001", listed).to_json())
    paths = {change["path"]: change for change in message["changes"]}
    assert paths["a.txt"]["hunks"][0]["diff"].startswith(" line 0\n")
    assert paths[".vscode/tasks.json"]["tier"] == "executesOnHost"


async def test_commits_are_shown_and_fetched_with_the_rest(opened: Opened) -> None:
    opened.ground.commits.refs["refs/heads/main"] = CommitId("0" * 40)
    tip = opened.ground.commits.commit("main", "Agent\x1b[2J's work")
    console = await ask(opened, "a", "n", "n", "n", "y", "y")
    text = screen(console)
    assert "Commits on main (1): a flush fetches refs/bbox/3f9a1c07/main" in text
    assert "fetch 1 commit of main to refs/bbox/3f9a1c07/main" in text
    assert "Move main forward to the agent's commits?" in text
    assert "\x1b" not in text
    assert opened.ground.commits.refs == {
        "refs/heads/main": tip,
        "refs/bbox/3f9a1c07/main": tip,
    }


async def test_commits_alone_keep_a_session_open_until_they_are_fetched(opened: Opened) -> None:
    opened.ground.commits.commit("main", "Agent")
    await ask(opened, "A", "n")
    assert opened.store.states[-1:] != [SessionState.DONE]
    assert await review_command.flush_all(opened.review, typed()) == 0
    assert opened.ground.commits.refs.keys() == {"refs/bbox/3f9a1c07/main"}
    assert opened.store.states[-1] is SessionState.DONE


async def test_a_plan_is_stale_once_the_agent_commits_again(opened: Opened) -> None:
    opened.ground.commits.commit("main", "One")
    plan = await opened.review.plan()
    opened.ground.commits.commit("main", "Two")
    with pytest.raises(BboxError) as raised:
        await opened.review.flush(plan.hash)
    assert raised.value.code is ErrorCode.FLUSH_STALE
    assert opened.ground.commits.refs == {}


async def test_an_undo_takes_the_refs_back_too(opened: Opened) -> None:
    opened.ground.commits.commit("main", "One")
    await opened.review.flush((await opened.review.plan()).hash)
    report = await opened.review.undo()
    assert [update.after for update in report.refs] == [None]
    assert opened.ground.commits.refs == {}


async def test_the_json_of_a_review_has_the_commits(opened: Opened) -> None:
    tip = opened.ground.commits.commit("main", "One")
    message = review_message("00000001", await opened.review.changes.list())
    (branch,) = json.loads(message.to_json())["branches"]
    assert (branch["tip"], branch["commits"][0]["subject"]) == (tip, "One")
    assert branch_of(message.branches[0]) == (await opened.ground.commits.branches())[0]
