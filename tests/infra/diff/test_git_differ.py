# SPDX-License-Identifier: Apache-2.0
import time
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.hunk import TextPair, apply_hunks
from bbox_server.domain.workspace import digest_of
from bbox_server.infra.diff import git_differ
from bbox_server.infra.diff.git_differ import GitDiffer
from bbox_server.infra.diff.unified import MalformedDiffError, parse_patches


def pair(old: bytes, new: bytes) -> TextPair:
    return TextPair(path=PurePosixPath("text"), old_digest=digest_of(old), old=old, new=new)


def is_empty(directory: Path) -> bool:
    return not any(directory.iterdir())


async def test_nothing_in_the_surroundings_configures_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "repository" / "scratch"
    scratch.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    marker = tmp_path / "ran"
    evil = (
        f"[diff]\n\texternal = touch {marker}\n[core]\n\tattributesFile = {tmp_path}/attributes\n"
    )
    (tmp_path / "repository" / ".git" / "config").write_text(evil, encoding="utf-8")
    (tmp_path / "gitconfig").write_text(evil, encoding="utf-8")
    (tmp_path / "attributes").write_text("* -diff diff=evil\n", encoding="utf-8")
    (tmp_path / "repository" / ".gitattributes").write_text("* -diff\n", encoding="utf-8")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", f"touch {marker}")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "repository" / ".git"))

    (hunks,) = await GitDiffer(scratch=str(scratch)).compare([pair(b"a\n", b"b\n")])

    assert len(hunks) == 1
    assert not marker.exists()
    assert is_empty(scratch)


async def test_without_git_small_texts_are_compared_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_differ, "SYSTEM_PATH", str(tmp_path))
    differ = GitDiffer(scratch=str(tmp_path))

    (hunks,) = await differ.compare([pair(b"a\nb\n", b"a\nc\n")])

    assert apply_hunks(b"a\nb\n", hunks, {hunks[0].id}) == b"a\nc\n"
    with pytest.raises(BboxError) as caught:
        await differ.merge(base=b"a\n", ours=b"b\n", theirs=b"c\n")
    assert caught.value.code is ErrorCode.DEPENDENCY_MISSING


async def test_a_comparison_that_takes_too_long_is_one_hunk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_differ, "_COMPARE_TIMEOUT_S", 0.0)

    (hunks,) = await GitDiffer(scratch=str(tmp_path)).compare(
        [pair(b"same\nold\nx\nold\nsame\n", b"same\nnew\nx\nnew\nsame\n")]
    )

    assert len(hunks) == 1
    assert is_empty(tmp_path)


async def test_what_git_says_that_is_no_diff_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    git = programs / "git"
    git.write_text("#!/bin/sh\necho --- a/0; echo +++ b/0; echo '@@ -1,9 +1,9 @@'; exit 1\n")
    git.chmod(0o755)
    monkeypatch.setattr(git_differ, "SYSTEM_PATH", f"{programs}:/usr/bin:/bin")

    with pytest.raises(BboxError) as caught:
        await GitDiffer(scratch=str(tmp_path)).compare([pair(b"a\n", b"b\n")])

    assert caught.value.code is ErrorCode.PROCESS_FAILED


@pytest.mark.timeout(60)
async def test_large_texts_take_seconds_at_most(tmp_path: Path) -> None:
    old = b"".join(b"%d\n" % (n * n % 1000) for n in range(100_000))
    new = b"".join(b"%d\n" % (n * n % 1001) for n in range(100_000))
    begin = time.monotonic()

    (hunks,) = await GitDiffer(scratch=str(tmp_path)).compare([pair(old, new)])

    assert apply_hunks(old, hunks, {hunk.id for hunk in hunks}) == new
    assert time.monotonic() - begin < 40


@given(st.binary(max_size=300))
def test_any_bytes_are_a_diff_or_malformed(output: bytes) -> None:
    for head in (b"", b"--- a/0\n+++ b/0\n", b"--- a/0\n+++ b/0\n@@ -1,2 +1,2 @@\n"):
        try:
            parse_patches(head + output)
        except MalformedDiffError:
            continue
