# SPDX-License-Identifier: Apache-2.0
from pathlib import PurePosixPath

import pytest

from bbox_server.domain.change import ChangeId, Side, Tier
from bbox_server.domain.decision import Decision
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import Verdict
from bbox_server.domain.review_note import Note
from bbox_server.domain.workspace import digest_of
from tests.application.review_ground import ground, lines
from tests.fakes.overlay import Node


async def test_a_modified_text_has_hunks_and_the_others_have_none() -> None:
    session = ground(
        {"text": lines(), "gone": b"x\n", "binary": b"\0old"},
        {"text": lines(5, 40), "added": b"new\n", "binary": b"\0new"},
    )

    review = await session.review.list()

    assert {str(item.change.path): len(item.hunks) for item in review.items} == {
        "added": 0,
        "binary": 0,
        "gone": 0,
        "text": 2,
    }


async def test_what_is_decided_as_a_whole_can_still_be_shown() -> None:
    session = ground({"gone": b"x\n"}, {"added": b"new\nlines\n"})

    added = await session.review.hunks((await session.item("added")).change.id)
    gone = await session.review.hunks((await session.item("gone")).change.id)

    assert [line.content for hunk in added for line in hunk.lines] == [b"new\n", b"lines\n"]
    assert [line.origin for hunk in gone for line in hunk.lines] == ["-"]


async def test_deciding_on_hunks_gives_the_change_a_mixed_verdict() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})

    await session.decide("text", Verdict.ACCEPTED, 0)
    assert (await session.item("text")).verdict is Verdict.MIXED
    await session.decide("text", Verdict.ACCEPTED, 1)

    assert (await session.item("text")).verdict is Verdict.ACCEPTED


async def test_a_decision_stays_with_its_hunk_while_the_agent_goes_on() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    await session.decide("text", Verdict.ACCEPTED)

    session.agent("text", lines(5, 20, 41))

    item = await session.item("text")
    assert [item.hunk_verdict(hunk.id) for hunk in item.hunks] == [
        Verdict.ACCEPTED,
        Verdict.UNDECIDED,
        Verdict.UNDECIDED,
    ]


async def test_a_decision_on_what_is_not_there_any_more_is_stale_and_none_is_made() -> None:
    session = ground({"a": lines(), "b": b"b\n"}, {"a": lines(5), "b": b"B\n"})
    old = (await session.item("a")).change.id
    other = (await session.item("b")).change.id
    session.agent("a", lines(6))

    with pytest.raises(BboxError) as caught:
        await session.review.decide(
            [
                Decision(change=other, verdict=Verdict.ACCEPTED),
                Decision(change=old, verdict=Verdict.ACCEPTED),
            ]
        )

    assert caught.value.code is ErrorCode.REVIEW_STALE
    assert (await session.item("b")).verdict is Verdict.UNDECIDED


async def test_a_change_of_mode_beside_the_content_is_a_hunk_of_its_own() -> None:
    session = ground({"tool": b"old\n"}, {"tool": Node(content=b"new\n", mode=0o755)})

    item = await session.item("tool")

    assert [len(hunk.lines) for hunk in item.hunks] == [0, 2]
    assert item.hunks[0].header == "old mode 644, new mode 755"
    assert item.notes == (Note.BECOMES_EXECUTABLE,)


async def test_decisions_are_taken_back_one_by_one() -> None:
    session = ground({"a": b"a\n", "b": b"b\n"}, {"a": b"A\n", "b": b"B\n"})
    await session.accept("a")
    await session.decide("b", Verdict.REJECTED)

    await session.review.undo()
    review = await session.review.undo()

    assert len(review.undecided) == 2
    with pytest.raises(BboxError) as caught:
        await session.review.undo()
    assert caught.value.code is ErrorCode.REVIEW_INVALID


async def test_a_bulk_acceptance_takes_ordinary_changes_and_asks_for_build_files() -> None:
    files = {"Makefile": b"all:\n", ".mcp.json": b"{}\n", ".env": b"A=1\n", "main.c": b"x\n"}
    session = ground({}, dict(files))

    review, bulk = await session.review.accept_ordinary()

    assert [str(item.change.path) for item in review.accepted] == ["main.c"]
    assert bulk.to_confirm == (PurePosixPath("Makefile"),)
    assert bulk.one_by_one == (PurePosixPath(".mcp.json"),)

    review, bulk = await session.review.accept_ordinary(frozenset({PurePosixPath("Makefile")}))

    assert [str(item.change.path) for item in review.accepted] == ["Makefile", "main.c"]
    assert bulk.to_confirm == ()
    assert [str(item.change.path) for item in review.undecided] == [".mcp.json"]


async def test_a_bulk_acceptance_leaves_what_was_rejected() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40), "other": b"x\n"})
    await session.decide("text", Verdict.REJECTED, 0)

    review, _ = await session.review.accept_ordinary()

    item = review.item((await session.item("text")).change.id)
    assert [item.hunk_verdict(hunk.id) for hunk in item.hunks] == [
        Verdict.REJECTED,
        Verdict.ACCEPTED,
    ]


async def test_what_runs_on_the_host_is_not_accepted_together_with_others() -> None:
    session = ground({}, {".mcp.json": b"x\n", "main.c": b"x\n"})
    both = [
        Decision(change=item.change.id, verdict=Verdict.ACCEPTED)
        for item in (await session.review.list()).items
    ]

    with pytest.raises(BboxError) as caught:
        await session.review.decide(both)

    assert caught.value.code is ErrorCode.REVIEW_INVALID
    review = await session.review.decide(both[:1])
    assert [item.change.tier for item in review.accepted] == [Tier.EXECUTES_ON_HOST]


@pytest.mark.parametrize("name", [".git/hooks/post-checkout", "sub/.GIT/config"])
async def test_what_is_withheld_can_not_be_accepted(name: str) -> None:
    session = ground({}, {name: b"x\n"})

    with pytest.raises(BboxError) as caught:
        await session.accept(name)

    assert caught.value.code is ErrorCode.REVIEW_INVALID
    assert len((await session.review.list()).withheld) == 1


async def test_an_edit_is_the_result_until_something_else_is_decided() -> None:
    session = ground({"text": b"old\n"}, {"text": b"new\n"})
    item = await session.item("text")

    review = await session.review.edit(item.change.id, digest_of(b"new\n"), b"mine\n")

    assert review.items[0].verdict is Verdict.EDITED
    assert await session.review.read(Side.RESULT, item.change.id) == b"mine\n"
    await session.decide("text", Verdict.REJECTED)
    assert await session.review.read(Side.RESULT, item.change.id) == b"old\n"


async def test_a_deleted_file_can_not_be_edited() -> None:
    session = ground({"text": b"old\n"}, {})
    item = await session.item("text")

    with pytest.raises(BboxError) as caught:
        await session.review.edit(item.change.id, digest_of(b"old\n"), b"mine\n")

    assert caught.value.code is ErrorCode.REVIEW_INVALID


async def test_the_result_has_the_accepted_hunks_only() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    await session.decide("text", Verdict.ACCEPTED, 1)
    change = (await session.item("text")).change.id

    assert await session.review.read(Side.RESULT, change) == lines(40)
    assert await session.review.read(Side.BASELINE, change) == lines()
    assert await session.review.read(Side.AGENT, change) == lines(5, 40)


async def test_there_is_no_review_of_the_workspace_itself() -> None:
    session = ground({"text": b"old\n"}, {"text": b"new\n"})

    with pytest.raises(BboxError) as caught:
        await session.review.read(Side.WORKSPACE, (await session.item("text")).change.id)

    assert caught.value.code is ErrorCode.REVIEW_INVALID


async def test_an_unknown_change_is_stale() -> None:
    session = ground({}, {"a": b"a\n"})

    with pytest.raises(BboxError) as caught:
        await session.review.hunks(ChangeId("nothing"))

    assert caught.value.code is ErrorCode.REVIEW_STALE


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        (b"a\r\nb\r\n", b"a\nb\n", [Note.LINE_ENDINGS]),
        (b"a\r\nb\r\n", b"a\r\nc\r\n", []),
        (b"a\n", b"\xef\xbb\xbfa\n", [Note.BYTE_ORDER_MARK]),
        (b"a\nb\n", b"a\nb", [Note.FINAL_NEWLINE]),
        (b"a\nb", b"a\nc", []),
        (b"caf\xe9\n", b"cafe\n", [Note.NOT_UTF8]),
        (b"a\n", b"b\n", []),
    ],
)
async def test_what_a_diff_does_not_show_is_noted(
    old: bytes, new: bytes, notes: list[Note]
) -> None:
    session = ground({"text": old}, {"text": new})
    assert list((await session.item("text")).notes) == notes
