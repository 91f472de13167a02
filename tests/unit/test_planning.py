# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.change import ChangeId, Entry, EntryKind
from bbox_server.domain.plan import (
    ABSENT,
    ConflictReason,
    FlushPlan,
    MergeOutcome,
    Operation,
    OperationKind,
    Present,
    PresentKind,
    SkipReason,
    Wanted,
    hash_plan,
    is_reserved,
    leaves_workspace,
    merges_needed,
    paths_to_observe,
)
from bbox_server.domain.planning import in_order, plan_flush
from bbox_server.domain.workspace import digest_of
from tests.infra.flush.ground import DIRECTORY, file, link, wanted

A, B, C = file(b"a\n"), file(b"b\n"), file(b"c\n")
RUNS = replace(A, mode=0o755)
SPECIAL = Entry(kind=EntryKind.SPECIAL, mode=0o644, size=0)
UNREADABLE = Present(kind=PresentKind.UNREADABLE)
WRITE, LINK, DELETE = OperationKind.WRITE, OperationKind.SYMLINK, OperationKind.DELETE
MKDIR, RMDIR = OperationKind.MAKE_DIRECTORY, OperationKind.REMOVE_DIRECTORY
CHMOD = OperationKind.CHANGE_MODE


def now(entry: Entry | None, *names: str) -> Present:
    """The workspace with that entry."""
    if entry is None:
        return ABSENT
    return Present(
        kind=PresentKind(entry.kind),
        mode=entry.mode,
        digest=entry.digest,
        link_target=entry.link_target,
        names=names if entry.kind is EntryKind.DIRECTORY else None,
    )


def plan(
    *items: Wanted,
    present: dict[str, Present],
    merged: MergeOutcome | None = None,
) -> FlushPlan:
    observed = dict.fromkeys(paths_to_observe(items), ABSENT)
    observed |= {PurePosixPath(name): state for name, state in present.items()}
    outcomes = {item.path: merged for item in merges_needed(items, observed) if merged}
    return plan_flush(items, observed, outcomes)


def outcome(made: FlushPlan) -> list[object]:
    return [
        *(operation.kind for operation in made.operations),
        *(conflict.reason for conflict in made.conflicts),
        *(skipped.reason for skipped in made.skipped),
    ]


CLEAN = MergeOutcome(digest=digest_of(b"merged"))
TABLE: list[tuple[str, Entry | None, Entry | None, Present, list[object]]] = [
    ("changed by the agent", A, B, now(A), [WRITE]),
    ("changed by both alike", A, B, now(B), [SkipReason.ALREADY_THERE]),
    ("changed by both, merged", A, B, now(C), [WRITE]),
    ("added", None, A, ABSENT, [WRITE]),
    ("added by both alike", None, A, now(A), [SkipReason.ALREADY_THERE]),
    ("added by both", None, A, now(B), [ConflictReason.ADDED_BOTH]),
    ("added where a directory is", None, A, now(DIRECTORY), [ConflictReason.ADDED_BOTH]),
    ("deleted", A, None, now(A), [DELETE]),
    ("deleted by both", A, None, ABSENT, [SkipReason.ALREADY_THERE]),
    ("deleted, changed here", A, None, now(B), [ConflictReason.CHANGED_HERE]),
    ("changed, deleted here", A, B, ABSENT, [ConflictReason.DELETED_HERE]),
    ("changed, a link here", A, B, now(link("x")), [ConflictReason.TYPE_DIFFERS]),
    ("changed, a directory here", A, B, now(DIRECTORY), [ConflictReason.TYPE_DIFFERS]),
    ("made executable", A, RUNS, now(A), [CHMOD]),
    ("made executable, changed here", A, RUNS, now(B), [CHMOD]),
    ("made executable by both", A, RUNS, now(RUNS), [SkipReason.ALREADY_THERE]),
    ("link added", None, link("x"), ABSENT, [LINK]),
    ("link changed", link("x"), link("y"), now(link("x")), [LINK]),
    ("link changed by both", link("x"), link("y"), now(link("z")), [ConflictReason.CHANGED_HERE]),
    ("link changed alike", link("x"), link("y"), now(link("y")), [SkipReason.ALREADY_THERE]),
    ("link deleted", link("x"), None, now(link("x")), [DELETE]),
    ("link leads out", None, link("../x"), ABSENT, [SkipReason.LINK_LEAVES_WORKSPACE]),
    ("link to the root", None, link("/x"), ABSENT, [SkipReason.LINK_LEAVES_WORKSPACE]),
    ("file to link", A, link("x"), now(A), [LINK]),
    ("file to link, changed here", A, link("x"), now(B), [ConflictReason.CHANGED_HERE]),
    ("link to file", link("x"), A, now(link("x")), [WRITE]),
    ("directory added", None, DIRECTORY, ABSENT, [MKDIR]),
    ("directory added by both", None, DIRECTORY, now(DIRECTORY), [SkipReason.ALREADY_THERE]),
    ("directory where a file is", None, DIRECTORY, now(A), [ConflictReason.ADDED_BOTH]),
    ("directory deleted", DIRECTORY, None, now(DIRECTORY), [RMDIR]),
    ("directory kept", DIRECTORY, None, now(DIRECTORY, "mine"), [SkipReason.NOT_EMPTY]),
    ("directory is a file here", DIRECTORY, None, now(A), [ConflictReason.CHANGED_HERE]),
    ("file to directory", A, DIRECTORY, now(A), [MKDIR]),
    ("file to directory, changed", A, DIRECTORY, now(B), [ConflictReason.CHANGED_HERE]),
    ("directory to file", DIRECTORY, A, now(DIRECTORY), [WRITE]),
    ("directory to file, used", DIRECTORY, A, now(DIRECTORY, "m"), [ConflictReason.NOT_EMPTY]),
    ("directory to link", DIRECTORY, link("x"), now(DIRECTORY), [LINK]),
    ("special", None, SPECIAL, ABSENT, [SkipReason.SPECIAL_FILE]),
    ("unreadable", A, B, UNREADABLE, [ConflictReason.UNREADABLE]),
]


@pytest.mark.parametrize(
    ("base", "result", "present", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_each_pair_of_changes_has_its_outcome(
    base: Entry | None, result: Entry | None, present: Present, expected: list[object]
) -> None:
    made = plan(wanted("x", base, result), present={"x": present}, merged=CLEAN)

    assert outcome(made) == expected


def test_a_merge_with_conflicts_is_a_conflict_that_counts_them() -> None:
    tried = MergeOutcome(digest=None, conflicts=3)

    made = plan(wanted("x", A, B), present={"x": now(C)}, merged=tried)

    assert [(c.reason, c.merges) for c in made.conflicts] == [(ConflictReason.CHANGED_BOTH, 3)]


def test_a_merge_that_gives_what_is_there_needs_nothing() -> None:
    tried = MergeOutcome(digest=C.digest)

    made = plan(wanted("x", A, B), present={"x": now(C)}, merged=tried)

    assert outcome(made) == [SkipReason.ALREADY_THERE]


def test_a_result_written_upon_the_workspace_as_it_is_needs_no_merge() -> None:
    item = replace(wanted("x", A, B), resolves=C.digest)

    assert outcome(plan(item, present={"x": now(C)})) == [WRITE]


@pytest.mark.parametrize(
    ("mode", "base", "result", "expected"),
    [
        (0o640, A, RUNS, 0o750),
        (0o600, A, RUNS, 0o700),
        (0o775, RUNS, A, 0o664),
        (0o6755, RUNS, A, 0o644),
    ],
)
def test_the_users_mode_changes_by_its_executable_bits_only(
    mode: int, base: Entry, result: Entry, expected: int
) -> None:
    made = plan(wanted("x", base, result), present={"x": replace(now(base), mode=mode)})

    assert [operation.mode for operation in made.operations] == [expected]


def test_a_changed_content_keeps_the_users_mode() -> None:
    made = plan(wanted("x", A, B), present={"x": replace(now(A), mode=0o600)})

    assert [operation.mode for operation in made.operations] == [None]


def test_missing_directories_are_made_from_the_top() -> None:
    made = plan(wanted("a/b/x", None, A), wanted("a/c/y", None, B), present={})

    assert [(operation.kind, str(operation.path)) for operation in made.operations] == [
        (MKDIR, "a"),
        (MKDIR, "a/b"),
        (MKDIR, "a/c"),
        (WRITE, "a/b/x"),
        (WRITE, "a/c/y"),
    ]


@pytest.mark.parametrize(
    ("parent", "reason"),
    [
        (now(link("elsewhere")), ConflictReason.PARENT_IS_LINK),
        (now(A), ConflictReason.PARENT_IS_NO_DIRECTORY),
        (Present(kind=PresentKind.SPECIAL), ConflictReason.PARENT_IS_NO_DIRECTORY),
    ],
)
def test_nothing_is_written_below_a_link_or_file(parent: Present, reason: ConflictReason) -> None:
    made = plan(wanted("d/e/x", A, B), present={"d": parent})

    assert outcome(made) == [reason]


def test_below_a_link_nothing_is_deleted_either() -> None:
    made = plan(wanted("d/x", A, None), present={"d": now(link("elsewhere"))})

    assert outcome(made) == [SkipReason.ALREADY_THERE]


def test_a_file_becomes_a_directory_with_its_children() -> None:
    made = plan(wanted("x", A, DIRECTORY), wanted("x/y", None, B), present={"x": now(A)})

    assert [(o.kind, str(o.path)) for o in made.operations] == [
        (MKDIR, "x"),
        (WRITE, "x/y"),
    ]


def test_a_child_of_a_file_that_stays_is_a_conflict() -> None:
    made = plan(wanted("x/y", None, B), present={"x": now(A)})

    assert outcome(made) == [ConflictReason.PARENT_IS_NO_DIRECTORY]


def test_a_directory_becomes_a_file_when_all_in_it_goes() -> None:
    items = (
        wanted("d", DIRECTORY, A),
        wanted("d/e", DIRECTORY, None),
        wanted("d/e/x", B, None),
        wanted("d/y", C, None),
    )
    present = {
        "d": now(DIRECTORY, "e", "y"),
        "d/e": now(DIRECTORY, "x"),
        "d/e/x": now(B),
        "d/y": now(C),
    }

    made = plan(*items, present=present)

    assert [(o.kind, str(o.path)) for o in made.operations] == [
        (DELETE, "d/e/x"),
        (DELETE, "d/y"),
        (RMDIR, "d/e"),
        (WRITE, "d"),
    ]


def test_a_directory_with_a_file_that_is_not_to_go_stays_one() -> None:
    items = (wanted("d", DIRECTORY, A), wanted("d/x", B, None))
    present = {"d": now(DIRECTORY, "x", "mine"), "d/x": now(B)}

    made = plan(*items, present=present)

    assert [conflict.reason for conflict in made.conflicts] == [ConflictReason.NOT_EMPTY]


def test_the_old_name_needs_the_new_one() -> None:
    made = plan(
        wanted("new", None, A), wanted("old", A, None, needs="new"), present={"old": now(A)}
    )

    assert [(o.kind, o.needs) for o in made.operations] == [(WRITE, None), (DELETE, 0)]


@pytest.mark.parametrize("present", [{"new": now(B), "old": now(A)}, {"old": now(B)}])
def test_a_conflict_at_one_name_ends_the_rename(present: dict[str, Present]) -> None:
    change = ChangeId("rename")
    new = replace(wanted("new", None, A), change=change)
    old = replace(wanted("old", A, None, needs="new"), change=change)

    made = plan(new, old, present=present)

    assert made.operations == ()
    assert len(made.conflicts) == 1


def test_a_rename_to_a_reserved_name_keeps_the_old() -> None:
    change = ChangeId("rename")
    new = replace(wanted(".bbox-flush-x", None, A), change=change)
    old = replace(wanted("old", A, None, needs=".bbox-flush-x"), change=change)

    made = plan(new, old, present={"old": now(A)})

    assert outcome(made) == [SkipReason.RESERVED_NAME]


def test_hard_links_are_told() -> None:
    made = plan(wanted("x", A, B), present={"x": replace(now(A), links=2)})

    assert made.hard_linked == (PurePosixPath("x"),)


def test_the_hash_tells_plans_apart() -> None:
    one = plan(wanted("x", A, B), present={"x": now(A)})
    same = plan(wanted("x", A, B), present={"x": now(A)})
    other_mode = plan(wanted("x", A, B), present={"x": replace(now(A), mode=0o600)})
    other = plan(wanted("x", A, C), present={"x": now(A)})

    assert one.hash == same.hash == hash_plan(one).hash
    assert len({one.hash, other.hash, other_mode.hash}) == 3


@pytest.mark.parametrize(
    ("path", "target", "leaves"),
    [
        ("l", "x", False), ("l", "./d/x", False), ("l", ".", False), ("l", "..", True),
        ("d/l", "..", False), ("d/l", "../x", False), ("d/l", "../../x", True), ("l", "", True),
        ("l", "/etc/passwd", True), ("l", "d/../x", True), ("a/b/l", "../../x/y", False),
        ("a/b/l", ".././../x", False), ("l", "x//y/", False), ("l", "..x", False),
    ],
)  # fmt: skip
def test_links_stay_in_the_workspace(path: str, target: str, *, leaves: bool) -> None:
    assert leaves_workspace(PurePosixPath(path), target) is leaves


def test_names_of_staged_files_are_reserved() -> None:
    assert is_reserved(PurePosixPath("d/.bbox-flush-abc-1-2.part"))
    assert is_reserved(PurePosixPath(".BBOX-flush-x/y"))
    assert not is_reserved(PurePosixPath(".bbox-flus"))


names = st.sampled_from(["a", "b", "c", "a/x", "a/y", "b/x", "b/x/z", "c/w"])
kinds = st.sampled_from([OperationKind.DELETE, OperationKind.WRITE, MKDIR, RMDIR, LINK])


@given(st.lists(st.tuples(names, kinds), unique=True))
def test_operations_find_what_they_need(pairs: list[tuple[str, OperationKind]]) -> None:
    operations = [
        Operation(change=ChangeId(""), path=PurePosixPath(name), kind=kind, expected=ABSENT)
        for name, kind in pairs
    ]

    ordered = in_order(operations)

    position = {(o.path, o.kind): index for index, o in enumerate(ordered)}
    for (path, kind), index in position.items():
        if kind is RMDIR:
            below = [
                i for (p, k), i in position.items() if path in p.parents and k in {DELETE, RMDIR}
            ]
            assert all(i < index for i in below)
        if kind is MKDIR:
            assert all(
                i > index for (p, k), i in position.items() if path in p.parents and k is MKDIR
            )
