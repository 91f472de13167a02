# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from bbox_server.domain.change import ChangeKind, Side
from bbox_server.domain.decision import Decision
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import ResultKind
from bbox_server.domain.plan import ConflictReason, OperationKind, PlanHash, SkipReason
from bbox_server.domain.review import Verdict
from bbox_server.domain.workspace import digest_of
from tests.application.review_ground import ground, lines
from tests.fakes.overlay import Node


async def test_only_what_is_accepted_reaches_the_workspace() -> None:
    session = ground(
        {"a": b"a\n", "b": b"b\n", "c": b"c\n"}, {"a": b"A\n", "b": b"B\n", "new": b"N\n"}
    )
    await session.accept("a", "c")
    await session.decide("b", Verdict.REJECTED)

    report = await session.apply()

    assert report.failed == ()
    assert [session.content(name) for name in ("a", "b", "c", "new")] == [
        b"A\n",
        b"b\n",
        None,
        None,
    ]


async def test_nothing_accepted_is_an_empty_plan() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n"})

    plan = await session.flush.plan()

    assert (plan.operations, plan.conflicts, plan.skipped) == ((), (), ())


async def test_a_plan_that_is_not_the_one_shown_is_stale() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n"})
    await session.accept("a")
    plan = await session.flush.plan()
    session.user("a", b"mine\n")

    with pytest.raises(BboxError) as caught:
        await session.flush(plan.hash)

    assert caught.value.code is ErrorCode.FLUSH_STALE
    assert session.content("a") == b"mine\n"
    with pytest.raises(BboxError):
        await session.flush(PlanHash(""))


async def test_the_same_state_gives_the_same_plan() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n", "b/c/d": b"d\n"})
    await session.accept("a", "b/c/d")

    assert (await session.flush.plan()).hash == (await session.flush.plan()).hash


async def test_both_sides_changes_are_merged() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    session.user("text", lines(20))
    await session.accept("text")

    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert [operation.merged for operation in plan.operations] == [True]
    assert session.content("text") == lines(5, 20, 40)


async def test_a_merge_takes_the_accepted_hunks_only() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    session.user("text", lines(20))
    await session.decide("text", Verdict.ACCEPTED, 1)

    await session.apply()

    assert session.content("text") == lines(20, 40)


async def test_a_conflict_changes_nothing_and_leaves_the_change_undecided() -> None:
    session = ground({"text": lines(), "other": b"o\n"}, {"text": lines(5), "other": b"O\n"})
    session.user("text", lines().replace(b"line 5\n", b"mine\n"))
    await session.accept("text", "other")

    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert [conflict.reason for conflict in plan.conflicts] == [ConflictReason.CHANGED_BOTH]
    assert session.content("other") == b"O\n"
    item = await session.item("text")
    assert item.verdict is Verdict.UNDECIDED
    assert "changedBoth" in item.failure


async def test_a_conflict_is_solved_by_editing_the_marked_merge() -> None:
    session = ground({"text": lines()}, {"text": lines(5)})
    session.user("text", lines().replace(b"line 5\n", b"mine\n"))
    await session.accept("text")
    change = (await session.item("text")).change.id

    draft = await session.planning.draft(change)
    assert (draft.conflicts, b"<<<<<<<" in draft.content) == (1, True)
    await session.review.edit(change, draft.base, b"solved\n")
    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert plan.conflicts == ()
    assert session.content("text") == b"solved\n"


async def test_a_draft_has_all_that_is_not_rejected() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    await session.decide("text", Verdict.REJECTED, 1)
    change = (await session.item("text")).change

    draft = await session.planning.draft(change.id)

    assert draft.content == lines(5)
    assert change.agent is not None
    assert draft.base == change.agent.digest


async def test_a_draft_of_an_edited_text_goes_on_with_it() -> None:
    session = ground({"text": lines()}, {"text": lines(5)})
    change = (await session.item("text")).change
    assert change.agent is not None
    assert change.agent.digest is not None
    await session.review.edit(change.id, change.agent.digest, lines(6))
    assert (await session.planning.draft(change.id)).content == lines(6)

    session.user("text", lines().replace(b"line 40\n", b"mine\n"))

    draft = await session.planning.draft(change.id)
    assert draft.content == lines(6).replace(b"line 40\n", b"mine\n")
    await session.review.edit(change.id, draft.base, draft.content)
    assert (await session.flush.plan()).conflicts == ()


async def test_what_is_no_utf8_text_has_no_draft() -> None:
    session = ground({"text": b"caf\xe9\n"}, {"text": b"caf\xe9s\n"})
    change = (await session.item("text")).change.id

    with pytest.raises(BboxError) as caught:
        await session.planning.draft(change)

    assert caught.value.code is ErrorCode.REVIEW_INVALID


async def test_changes_tell_how_they_would_meet_the_workspace() -> None:
    names = ("alone", "apart", "same", "gone", "bound")
    session = ground({n: lines() for n in names}, {n: lines(5) for n in names})
    session.user("apart", lines().replace(b"line 40\n", b"mine\n"))
    session.user("same", lines().replace(b"line 5\n", b"mine\n"))
    session.user("bound", lines().replace(b"line 5\n", b"mine\n"))
    session.user("gone", None)
    await session.decide("bound", Verdict.REJECTED)

    items = (await session.review.list()).items
    states = await session.planning.conflicts(items)

    assert {
        str(i.change.path): states[i.change.id].value for i in items if i.change.id in states
    } == {
        "apart": "mergeable",
        "same": "conflicting",
        "gone": "conflicting",
    }


async def test_nothing_is_written_where_an_editor_has_a_newer_text() -> None:
    session = ground({"open": lines(), "other": lines()}, {"open": lines(5), "other": lines(5)})
    await session.accept("open", "other")
    unsaved = frozenset({PurePosixPath("open")})

    plan = await session.flush.plan(unsaved)

    assert [conflict.reason for conflict in plan.conflicts] == [ConflictReason.UNSAVED]
    with pytest.raises(BboxError) as caught:
        await session.flush(plan.hash)
    assert caught.value.code is ErrorCode.FLUSH_STALE
    await session.flush(plan.hash, unsaved)
    assert (session.content("open"), session.content("other")) == (lines(), lines(5))


async def test_a_solution_is_for_the_workspace_it_was_made_on() -> None:
    session = ground({"text": lines()}, {"text": lines(5)})
    session.user("text", lines().replace(b"line 5\n", b"mine\n"))
    await session.accept("text")
    change = (await session.item("text")).change.id
    base = (await session.planning.draft(change)).base
    await session.review.edit(change, base, b"solved\n")

    session.user("text", lines().replace(b"line 5\n", b"mine again\n"))

    plan = await session.flush.plan()
    assert [conflict.reason for conflict in plan.conflicts] == [ConflictReason.CHANGED_BOTH]


async def test_after_a_partial_flush_the_rest_is_relative_to_what_was_accepted() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 20, 40)})
    await session.decide("text", Verdict.ACCEPTED, 0)
    await session.decide("text", Verdict.REJECTED, 2)

    await session.apply()

    item = await session.item("text")
    assert [item.hunk_verdict(hunk.id) for hunk in item.hunks] == [
        Verdict.UNDECIDED,
        Verdict.REJECTED,
    ]
    assert await session.review.read(Side.BASELINE, item.change.id) == lines(5)
    assert session.content("text") == lines(5)

    await session.decide("text", Verdict.ACCEPTED, 0)
    await session.apply()

    assert session.content("text") == lines(5, 20)


async def test_a_rest_is_mapped_where_the_flushed_hunks_moved_lines() -> None:
    base = lines()
    agent = base.replace(b"line 5\n", b"").replace(b"line 10\n", b"10\n1\n2\n")
    agent = agent.replace(b"line 50\n", b"fifty\n")
    session = ground({"text": base}, {"text": agent})
    first, last = 0, len((await session.item("text")).hunks) - 1
    await session.decide("text", Verdict.ACCEPTED, first)
    await session.decide("text", Verdict.REJECTED, last)

    await session.apply()

    item = await session.item("text")
    assert item.hunk_verdict(item.hunks[-1].id) is Verdict.REJECTED


async def test_what_was_flushed_wholly_is_no_change_any_more() -> None:
    session = ground({"a": b"a\n", "gone": b"g\n"}, {"a": b"A\n", "new": b"N\n"})
    await session.accept("a", "gone", "new")

    await session.apply()

    assert (await session.review.list()).items == ()


async def test_the_next_change_of_a_flushed_file_is_relative_to_the_flushed_one() -> None:
    session = ground({"text": lines()}, {"text": lines(5), "new": b"N\n"})
    await session.accept("text", "new")
    await session.apply()

    session.agent("text", lines(5, 40))
    session.agent("new", None)

    assert len((await session.item("text")).hunks) == 1
    await session.accept("text", "new")
    await session.apply()
    assert session.content("text") == lines(5, 40)
    assert session.content("new") is None


async def test_a_flushed_change_that_the_agent_takes_back_is_a_change() -> None:
    session = ground({"text": lines()}, {"text": lines(5)})
    await session.accept("text")
    await session.apply()

    session.agent("text", lines())
    await session.accept("text")
    await session.apply()

    assert session.content("text") == lines()


async def test_the_rest_of_an_edited_file_counts_as_rejected() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    item = await session.item("text")
    await session.review.edit(item.change.id, digest_of(lines(5, 40)), lines(5))

    await session.apply()

    assert session.content("text") == lines(5)
    assert (await session.item("text")).verdict is Verdict.REJECTED


async def test_the_executable_bit_is_flushed_on_its_own() -> None:
    session = ground({"tool": b"old\n"}, {"tool": Node(content=b"new\n", mode=0o755)})
    await session.decide("tool", Verdict.ACCEPTED, 1)
    await session.decide("tool", Verdict.REJECTED, 0)

    await session.apply()

    assert session.workspace.nodes[PurePosixPath("tool")] == Node(content=b"new\n", mode=0o644)
    assert (await session.item("tool")).verdict is Verdict.REJECTED


async def test_a_change_of_mode_alone_is_one_operation() -> None:
    session = ground({"tool": b"t\n"}, {"tool": Node(content=b"t\n", mode=0o755)})
    await session.accept("tool")

    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert [operation.kind for operation in plan.operations] == [OperationKind.CHANGE_MODE]
    assert session.workspace.nodes[PurePosixPath("tool")].mode == 0o755
    assert (await session.review.list()).items == ()


async def test_a_rename_is_both_paths_or_none() -> None:
    session = ground({"from": b"text\n"}, {"to": b"text\n"})
    session.overlay.renames[PurePosixPath("to")] = PurePosixPath("from")
    session.user("from", b"mine\n")
    await session.accept("to")

    plan = await session.flush.plan()

    assert plan.operations == ()
    assert [conflict.reason for conflict in plan.conflicts] == [ConflictReason.CHANGED_HERE]
    session.user("from", b"text\n")
    await session.apply()
    assert (session.content("from"), session.content("to")) == (None, b"text\n")
    assert (await session.review.list()).items == ()


async def test_a_rename_goes_on_after_its_flush() -> None:
    session = ground({"from": b"text\n"}, {"to": b"text\n"})
    session.overlay.renames[PurePosixPath("to")] = PurePosixPath("from")
    await session.accept("to")
    await session.apply()

    session.overlay.renames.clear()
    session.agent("to", b"text\nmore\n")

    items = (await session.review.list()).items
    assert [str(item.change.path) for item in items] == ["to"]
    assert len(items[0].hunks) == 1


async def test_a_bulk_change_is_flushed_file_by_file() -> None:
    agent: dict[str, bytes | Node] = {f"out/{number}": b"x\n" for number in range(5)}
    session = ground({}, {**agent, "out/.mcp.json": b"run\n"})
    session.overlay.bulks = frozenset({PurePosixPath("out")})
    await session.accept("out")

    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert [(str(skip.path), skip.reason) for skip in plan.skipped] == [
        ("out/.mcp.json", SkipReason.DECIDED_ON_ITS_OWN)
    ]
    assert [session.content(f"out/{number}") for number in range(5)] == [b"x\n"] * 5
    assert session.content("out/.mcp.json") is None


async def test_a_flushed_bulk_is_no_change_until_something_in_it_changes() -> None:
    session = ground({}, {f"out/{number}": b"x\n" for number in range(5)})
    session.overlay.bulks = frozenset({PurePosixPath("out")})
    await session.accept("out")
    await session.apply()
    assert (await session.review.list()).items == ()

    session.agent("out/1", b"changed\n")
    session.agent("out/2", None)
    await session.accept("out")
    report = await session.apply()

    assert report.failed == ()
    assert [session.content(f"out/{number}") for number in range(3)] == [b"x\n", b"changed\n", None]
    assert (await session.review.list()).items == ()


async def test_a_bulk_that_shrinks_is_listed_file_by_file() -> None:
    session = ground({}, {f"out/{number}": b"x\n" for number in range(5)})
    session.overlay.bulks = frozenset({PurePosixPath("out")})
    await session.accept("out")
    await session.apply()

    session.overlay.bulks = frozenset()
    session.agent("out/1", b"changed\n")
    session.agent("out/2", None)

    items = {str(item.change.path): item for item in (await session.review.list()).items}
    assert {name: item.change.kind for name, item in items.items()} == {
        "out/1": ChangeKind.MODIFIED,
        "out/2": ChangeKind.DELETED,
    }
    assert items["out/1"].hunks == ()
    await session.accept("out/1", "out/2")
    await session.apply()
    assert (session.content("out/1"), session.content("out/2")) == (b"changed\n", None)


async def test_a_bulk_that_is_undone_is_a_change_again() -> None:
    session = ground({}, {f"out/{number}": b"x\n" for number in range(5)})
    session.overlay.bulks = frozenset({PurePosixPath("out")})
    await session.accept("out")
    await session.apply()

    await session.undo()

    assert [str(item.change.path) for item in (await session.review.list()).items] == ["out"]
    assert session.content("out/1") is None


async def test_a_flushed_directory_is_there_as_long_as_something_is_in_it() -> None:
    session = ground({}, {"empty": Node()})
    await session.accept("empty")
    await session.apply()

    session.agent("empty/x", b"x\n")
    del session.overlay.agent[PurePosixPath("empty")]
    await session.accept("empty/x")
    await session.apply()

    assert (await session.review.list()).items == ()
    assert session.content("empty/x") == b"x\n"


async def test_a_link_out_of_the_workspace_is_not_flushed() -> None:
    session = ground({}, {"link": Node(target="/etc/passwd"), "d/link": Node(target="../../x")})
    await session.accept("link", "d/link")

    plan = await session.flush.plan()

    assert plan.operations == ()
    assert {skip.reason for skip in plan.skipped} == {SkipReason.LINK_LEAVES_WORKSPACE}


async def test_what_is_there_already_counts_as_flushed() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n"})
    session.user("a", b"A\n")
    await session.accept("a")

    plan = await session.flush.plan()
    await session.flush(plan.hash)

    assert [skip.reason for skip in plan.skipped] == [SkipReason.ALREADY_THERE]
    assert (await session.review.list()).items == ()


async def test_what_could_not_be_written_is_undecided_with_its_reason() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n", "b": b"B\n"})
    await session.accept("a", "b")
    plan = await session.flush.plan()
    session.agent("a", b"changed after the review\n")
    session.overlay.agent = dict(session.overlay.agent)

    with pytest.raises(BboxError) as caught:
        await session.flush(plan.hash)

    assert caught.value.code is ErrorCode.FLUSH_STALE


async def test_an_undo_brings_back_files_and_makes_the_change_undecided() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40), "new": b"N\n"})
    await session.accept("text", "new")
    await session.apply()

    report = await session.undo()

    assert report.failed == ()
    assert (session.content("text"), session.content("new")) == (lines(), None)
    item = await session.item("text")
    assert (item.verdict, len(item.hunks)) == (Verdict.UNDECIDED, 2)


async def test_an_undo_of_a_second_flush_keeps_the_first() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40)})
    await session.decide("text", Verdict.ACCEPTED, 0)
    await session.apply()
    await session.accept("text")
    await session.apply()

    await session.undo()

    assert session.content("text") == lines(5)
    assert len((await session.item("text")).hunks) == 1


async def test_what_an_undo_leaves_alone_stays_flushed() -> None:
    session = ground({"a": b"a\n", "b": b"b\n"}, {"a": b"A\n", "b": b"B\n"})
    await session.accept("a", "b")
    await session.apply()
    session.user("a", b"edited since\n")

    report = await session.undo()

    assert [result.result for result in report.failed] == [ResultKind.CHANGED_MEANWHILE]
    assert [str(item.change.path) for item in (await session.review.list()).items] == ["b"]


async def test_without_a_flush_there_is_nothing_to_undo() -> None:
    session = ground({}, {})

    with pytest.raises(BboxError) as caught:
        await session.undo()

    assert caught.value.code is ErrorCode.FLUSH_UNKNOWN


async def test_decisions_from_before_a_flush_are_not_taken_back() -> None:
    session = ground({"a": b"a\n"}, {"a": b"A\n", "b": b"B\n"})
    await session.accept("a")
    await session.apply()

    with pytest.raises(BboxError) as caught:
        await session.review.undo()

    assert caught.value.code is ErrorCode.REVIEW_INVALID


async def test_the_review_catches_up_with_a_flush_that_it_did_not_hear_of() -> None:
    session = ground({"text": lines()}, {"text": lines(5, 40), "new": b"N\n"})
    await session.decide("text", Verdict.ACCEPTED, 0)
    await session.accept("new")
    before = replace(session.reviews.state)
    await session.apply()
    session.reviews.state = before

    plan = await session.flush.plan()

    assert (plan.operations, plan.skipped) == ((), ())
    assert len((await session.item("text")).hunks) == 1
    assert len((await session.review.list()).items) == 1
    await session.undo()
    assert (session.content("text"), session.content("new")) == (lines(), None)
    assert len((await session.item("text")).hunks) == 2


async def test_the_review_catches_up_with_an_undo_that_it_did_not_hear_of() -> None:
    session = ground({"text": lines()}, {"text": lines(5)})
    await session.accept("text")
    await session.apply()
    before = replace(session.reviews.state)
    await session.undo()
    session.reviews.state = before

    await session.flush.plan()

    assert len((await session.item("text")).hunks) == 1


async def test_what_the_user_changed_after_an_unheard_flush_is_a_change_all_the_same() -> None:
    session = ground({"a": b"a\n", "b": b"b\n"}, {"a": b"A\n", "b": b"B\n"})
    await session.accept("a", "b")
    before = replace(session.reviews.state)
    await session.apply()
    session.reviews.state = before
    session.user("a", b"edited since\n")

    plan = await session.flush.plan()

    assert [str(conflict.path) for conflict in plan.conflicts] == ["a"]
    assert [str(item.change.path) for item in (await session.review.list()).items] == ["a"]


async def test_one_change_that_runs_on_the_host_reaches_the_workspace_when_decided_alone() -> None:
    session = ground({}, {".vscode/tasks.json": b"{}\n"})
    item = await session.item(".vscode/tasks.json")
    await session.review.decide([Decision(change=item.change.id, verdict=Verdict.ACCEPTED)])

    await session.apply()

    assert session.content(".vscode/tasks.json") == b"{}\n"
