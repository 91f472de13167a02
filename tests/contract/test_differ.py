# SPDX-License-Identifier: Apache-2.0
import asyncio
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bbox_server.domain.change import Hunk, HunkId
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hunk import (
    Differ,
    TextPair,
    apply_hunks,
    identify,
    mode_hunk,
    place_of,
    rest_after,
    split_lines,
)
from bbox_server.domain.workspace import digest_of
from bbox_server.infra.diff.git_differ import GitDiffer
from bbox_server.infra.diff.plain import coarse_hunks, plain_hunks
from tests.fakes.diff import PlainDiffer

# Everything that has ever been taken for the end of a line, or for a line of a diff.
LINES = (
    b"a", b"b", b"c", b"", b" ", b"\t", b"\r", b"a\r", b"\x0b", b"\x0c", b"a\x0cb", b"\x1c",
    b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", b"\xff\xfe", b"--- a/0", b"+++ b/0",
    b"-- x", b"++ x", b"@@ -1,2 +1,2 @@", b"\\ No newline at end of file",
    b"diff --git a/0 b/0", b"Binary files a and b differ", b"index 000..111 100644",
    b"deleted file mode 100644", b"GIT binary patch",
)  # fmt: skip

texts = st.builds(
    lambda lines, end: b"\n".join(lines) + end,
    st.lists(st.sampled_from(LINES), max_size=40),
    st.sampled_from([b"", b"\n"]),
)
unlimited = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


@pytest.fixture(params=["fake", "git"])
def differ(request: pytest.FixtureRequest, tmp_path: Path) -> Differ:
    return PlainDiffer() if request.param == "fake" else GitDiffer(scratch=str(tmp_path))


def pair(old: bytes, new: bytes) -> TextPair:
    return TextPair(path=PurePosixPath("text"), old_digest=digest_of(old), old=old, new=new)


def hunks_of(differ: Differ, pairs: Sequence[TextPair]) -> tuple[tuple[Hunk, ...], ...]:
    return asyncio.run(differ.compare(pairs))


def ids(hunks: Sequence[Hunk]) -> frozenset[HunkId]:
    return frozenset(hunk.id for hunk in hunks)


@unlimited
@given(changes=st.lists(st.tuples(texts, texts), min_size=1, max_size=12))
@example(changes=[(b"", b""), (b"", b"\n"), (b"\n", b""), (b"a", b"a\n"), (b"a\n", b"a")])
def test_all_hunks_give_the_new_text_and_none_the_old(
    differ: Differ, changes: list[tuple[bytes, bytes]]
) -> None:
    pairs = [pair(old, new) for old, new in changes]

    compared = hunks_of(differ, pairs)

    for item, hunks in zip(pairs, compared, strict=True):
        assert apply_hunks(item.old, hunks, ids(hunks)) == item.new
        assert apply_hunks(item.old, hunks, frozenset()) == item.old
        assert len(ids(hunks)) == len(hunks)


@unlimited
@given(old=texts, new=texts, data=st.data())
def test_what_is_left_after_any_subset_gives_the_new_text(
    differ: Differ, old: bytes, new: bytes, data: st.DataObject
) -> None:
    (hunks,) = hunks_of(differ, [pair(old, new)])
    chosen = (
        frozenset(data.draw(st.sets(st.sampled_from([h.id for h in hunks])))) if hunks else ids(())
    )

    partial = apply_hunks(old, hunks, chosen)
    (rest,) = hunks_of(differ, [pair(partial, new)])

    assert apply_hunks(partial, rest, ids(rest)) == new


def numbered(count: int, changed: frozenset[int]) -> bytes:
    return b"".join(
        b"%d changed\nand more\n" % n if n in changed else b"line %d\n" % n for n in range(count)
    )


@unlimited
@given(
    changed=st.frozensets(st.integers(0, 199), max_size=12),
    taken=st.sets(st.integers(0, 20)),
)
def test_the_rest_after_a_subset_is_found_again_at_its_place(
    differ: Differ, changed: frozenset[int], taken: set[int]
) -> None:
    old, new = numbered(200, frozenset()), numbered(200, changed)
    (hunks,) = hunks_of(differ, [pair(old, new)])
    chosen = frozenset(hunk.id for index, hunk in enumerate(hunks) if index in taken)

    partial = apply_hunks(old, hunks, chosen)
    (again,) = hunks_of(differ, [pair(partial, new)])

    assert [place for _, place in rest_after(hunks, chosen)] == [place_of(h) for h in again]


def test_the_same_hunk_has_the_same_id_while_others_come_and_go(differ: Differ) -> None:
    old = numbered(200, frozenset())

    (one,) = hunks_of(differ, [pair(old, numbered(200, frozenset({150})))])
    (two,) = hunks_of(differ, [pair(old, numbered(200, frozenset({20, 150})))])

    assert one[0].id == two[1].id
    assert one[0].new_start != two[1].new_start


def test_a_hunk_of_another_base_or_path_has_another_id(differ: Differ) -> None:
    (hunks,) = hunks_of(differ, [pair(b"a\n", b"b\n")])
    other = identify(PurePosixPath("other"), digest_of(b"a\n"), hunks[0])

    (longer,) = hunks_of(differ, [pair(b"a\nx\n", b"b\nx\n")])

    assert len({hunks[0].id, other.id, longer[0].id}) == 3


def test_hunks_are_refused_by_another_text(differ: Differ) -> None:
    (hunks,) = hunks_of(differ, [pair(b"a\nb\n", b"a\nc\n")])

    with pytest.raises(BboxError) as caught:
        apply_hunks(b"a\nx\n", hunks, ids(hunks))

    assert caught.value.code is ErrorCode.REVIEW_STALE


async def test_changes_of_different_lines_merge(differ: Differ) -> None:
    base = numbered(40, frozenset())

    merge = await differ.merge(
        base=base, ours=numbered(40, frozenset({3})), theirs=numbered(40, frozenset({30}))
    )

    assert merge.conflicts == 0
    assert merge.content == numbered(40, frozenset({3, 30}))


async def test_changes_of_the_same_line_conflict_and_show_all_three(differ: Differ) -> None:
    merge = await differ.merge(base=b"base\n", ours=b"ours\n", theirs=b"theirs\n")

    assert merge.conflicts == 1
    assert [part in merge.content for part in (b"base\n", b"ours\n", b"theirs\n")] == [True] * 3


@pytest.mark.parametrize("changed", [b"ours\n", b"ours", b""])
async def test_the_same_change_on_both_sides_is_no_conflict(differ: Differ, changed: bytes) -> None:
    merge = await differ.merge(base=b"base\n", ours=changed, theirs=changed)

    assert (merge.conflicts, merge.content) == (0, changed)


async def test_many_files_are_compared_at_once(differ: Differ) -> None:
    pairs = [pair(b"%d\n" % n, b"%d\n" % (n % 7)) for n in range(1500)]

    compared = await differ.compare(pairs)

    assert [len(hunks) for hunks in compared] == [int(n >= 7) for n in range(1500)]


@given(old=texts, new=texts)
def test_coarse_and_plain_hunks_are_as_exact(old: bytes, new: bytes) -> None:
    for made in (coarse_hunks(old, new), plain_hunks(old, new)):
        hunks = tuple(identify(PurePosixPath("x"), digest_of(old), hunk) for hunk in made)
        assert apply_hunks(old, hunks, ids(hunks)) == new
        assert apply_hunks(old, hunks, frozenset()) == old


@given(text=texts)
def test_lines_put_together_are_the_text(text: bytes) -> None:
    assert b"".join(split_lines(text)) == text
    assert all(line.endswith(b"\n") for line in split_lines(text)[:-1])


def test_a_mode_is_a_hunk_that_changes_no_line() -> None:
    hunk = mode_hunk(PurePosixPath("tool"), 0o644, 0o755)

    assert apply_hunks(b"a\n", (hunk,), {hunk.id}) == b"a\n"
    assert hunk.id != mode_hunk(PurePosixPath("other"), 0o644, 0o755).id
    assert hunk.id != mode_hunk(PurePosixPath("tool"), 0o755, 0o644).id
