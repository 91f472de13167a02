# SPDX-License-Identifier: Apache-2.0
"""What git prints of hostile commits is read as git meant it, or refused."""

import hashlib
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.commit import CommitId, is_branch_name
from bbox_server.domain.error import BboxError
from bbox_server.infra.git.commit_text import read_commits, read_files
from bbox_server.infra.git.loose import LooseError, LoosePack

IDS = st.integers(0, 2**160 - 1).map(lambda number: CommitId(f"{number:040x}"))
MESSAGES = st.binary(max_size=80) | st.text(max_size=40).map(str.encode)
NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name and name != b".")


@given(st.dictionaries(IDS, st.tuples(MESSAGES, MESSAGES), max_size=5))
def test_lengths_say_where_a_commit_ends(contents: dict[CommitId, tuple[bytes, bytes]]) -> None:
    batch = b""
    for one, (head, message) in contents.items():
        content = head + b"\n\n" + message
        batch += f"{one} commit {len(content)}\n".encode() + content + b"\n"
    found = read_commits(tuple(contents), batch, {})
    assert [commit.id for commit in found] == list(contents)
    assert all("\n" not in commit.subject for commit in found)


@given(st.dictionaries(IDS, st.lists(st.tuples(st.sampled_from("ADMT"), NAMES), min_size=1)))
def test_files_are_those_of_their_commit(
    listed: dict[CommitId, list[tuple[str, bytes]]],
) -> None:
    text = b""
    for one, files in listed.items():
        text += one.encode() + b"\0"
        text += b"".join(status.encode() + b"\0" + name + b"\0" for status, name in files)
    found = read_files(tuple(listed), text)
    assert {one: count for one, (_, count) in found.items()} == {
        one: len(files) for one, files in listed.items()
    }


@given(IDS, st.binary(max_size=100))
def test_what_git_did_not_print_is_refused_or_empty(one: CommitId, text: bytes) -> None:
    for read in (lambda: read_commits([one], text, {}), lambda: read_files([one], text)):
        with suppress(BboxError):
            read()


@given(st.text(max_size=30))
def test_a_branch_name_is_one_that_git_takes_and_nobody_misreads(name: str) -> None:
    if is_branch_name(name):
        assert name.isprintable()
        assert not set(name) & set(" ~^:?*[\\")
        assert ".." not in name
        assert not name.startswith(("-", "/", "."))


@given(st.binary(max_size=200))
def test_no_bytes_are_an_object_by_chance(content: bytes) -> None:
    with pytest.raises(LooseError):
        LoosePack("sha1").add("0" * 40, content)


@given(st.sampled_from([b"blob", b"tree", b"commit", b"tag"]), st.binary(max_size=300))
def test_an_object_that_is_one_is_taken_once(kind: bytes, body: bytes) -> None:
    data = kind + f" {len(body)}".encode() + b"\0" + body
    name = hashlib.sha1(data, usedforsecurity=False).hexdigest()
    pack = LoosePack("sha1")
    pack.add(name, zlib.compress(data))
    pack.add(name, zlib.compress(data))
    assert len(pack) == 1
    assert pack.content()[8:12] == b"\0\0\0\1"
