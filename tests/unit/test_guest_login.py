# SPDX-License-Identifier: Apache-2.0
"""What the guest says its login is: never more than the list, the names and the sizes allow."""

import base64
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.guest_login import parse_found
from bbox_server.domain.login import (
    FILE_BYTES,
    FILES,
    CredentialFile,
    FoundCredentials,
    login_update,
    within_limits,
)
from bbox_server.domain.login_expiry import CLAUDE, expires_at_ms, is_worth_seeding

AUTH = PurePosixPath(".codex/auth.json")
DIRECTORY = (PurePosixPath(".codex"),)


def frame(*files: tuple[str, bytes]) -> bytes:
    return b"".join(
        name.encode("utf-8", "surrogateescape") + b"\0" + base64.b64encode(content) + b"\0"
        for name, content in files
    )


def parsed(output: bytes, allowed: tuple[PurePosixPath, ...] = DIRECTORY) -> FoundCredentials:
    return parse_found(output, allowed, frozenset())


def test_a_file_is_taken_as_it_is() -> None:
    found = parsed(frame(("./.codex/auth.json", b"\0\xff\n")))
    assert found.files == (CredentialFile(path=AUTH, content=b"\0\xff\n"),)
    assert (found.complete, found.refused) == (True, ())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".codex/../.bashrc", "name can't be kept"),
        (".bashrc", "on no list"),
        ("/etc/passwd", "on no list"),
        (".codex/a\\b", "name can't be kept"),
        (".codex/\x1b[2J", "name can't be kept"),
        (".codex/\udcff", "name can't be kept"),
        (".codex/.lock", "name can't be kept"),
        (f".codex/{'n' * 256}", "name can't be kept"),
        (".codex/1/2/3/4/deep", "more than 3 directories deep"),
    ],
)
def test_what_may_not_be_kept_is_refused_by_name(name: str, reason: str) -> None:
    found = parsed(frame((name, b"x")))
    assert found.files == ()
    assert reason in found.refused[0]
    assert found.refused[0].isprintable()


def test_three_directories_below_a_path_are_kept() -> None:
    assert len(parsed(frame((".codex/1/2/3/file", b"x"))).files) == 1


def test_a_large_file_is_refused_also_when_it_is_named_itself() -> None:
    found = parsed(frame((".codex/auth.json", bytes(FILE_BYTES + 1))), (AUTH,))
    assert found.files == ()
    assert "larger than 64 KiB" in found.refused[0]
    assert AUTH in found.present


def test_more_files_than_allowed_are_refused() -> None:
    found = parsed(frame(*((f".codex/{number:03}", b"x") for number in range(FILES + 2))))
    assert (len(found.files), len(found.refused)) == (FILES, 2)


def test_a_link_is_there_and_not_taken() -> None:
    found = parsed(b".codex\0@\0")
    assert (found.files, found.refused) == ((), (".codex: it is a link",))
    assert DIRECTORY[0] in found.present


def test_what_bbox_wrote_itself_is_no_login() -> None:
    output = frame((".codex/config.toml", b"x"), (".codex/auth.json", b"y"))
    found = parse_found(output, DIRECTORY, frozenset({PurePosixPath(".codex/config.toml")}))
    assert [file.path for file in found.files] == [AUTH]


@pytest.mark.parametrize(
    "output", [b".codex/auth.json\0eA==", b".codex/auth.json\0%%%\0", b".codex/auth.json\0", b"x"]
)
def test_an_output_that_is_cut_short_is_not_complete(output: bytes) -> None:
    found = parsed(output)
    assert found.complete is False
    assert found.files == ()


@given(st.binary(max_size=400))
def test_any_output_gives_files_of_the_list_only(output: bytes) -> None:
    found = parsed(output)
    for file in found.files:
        assert DIRECTORY[0] in file.path.parents
        assert ".." not in file.path.parts
        assert len(file.content) <= FILE_BYTES


NAMES = st.sampled_from([".codex/a", ".codex/b", ".codex/../c", ".codex", "d", ".codex/.lock"])
FILE_LISTS = st.dictionaries(NAMES.map(PurePosixPath), st.binary(max_size=4)).map(
    lambda files: tuple(CredentialFile(path=p, content=c) for p, c in files.items())
)


@given(stored=FILE_LISTS, given_files=FILE_LISTS, found_files=FILE_LISTS, complete=st.booleans())
def test_an_update_writes_what_was_found_and_removes_what_was_given(
    stored: tuple[CredentialFile, ...],
    given_files: tuple[CredentialFile, ...],
    found_files: tuple[CredentialFile, ...],
    *,
    complete: bool,
) -> None:
    kept, _ = within_limits(found_files, DIRECTORY)
    present = frozenset(file.path for file in kept)
    found = FoundCredentials(files=kept, present=present, complete=complete)
    update = login_update(stored, given_files, found)
    assert set(update.written) <= set(kept)
    assert not set(update.written) & set(given_files)
    gone = {file.path for file in given_files} - present
    assert set(update.removed) <= (gone if complete else set())


def claude(expires_at: object) -> CredentialFile:
    text = f'{{"claudeAiOauth": {{"expiresAt": {expires_at}}}}}'
    return CredentialFile(path=CLAUDE, content=text.encode())


@pytest.mark.parametrize(
    ("host", "saved", "worth"),
    [
        (claude(2000), None, True),
        (claude(2000), claude(1500), False),  # the saved one is valid
        (claude(2000), claude(500), True),
        (claude(500), claude(500), False),
        (CredentialFile(path=CLAUDE, content=b"no json"), None, False),
        (CredentialFile(path=CLAUDE, content=b" " * (FILE_BYTES + 1)), None, False),
        (CredentialFile(path=AUTH, content=b"{}"), None, True),
        (CredentialFile(path=AUTH, content=b"{}"), claude(1), False),
    ],
)
def test_the_hosts_login_replaces_only_an_older_one(
    host: CredentialFile, saved: CredentialFile | None, *, worth: bool
) -> None:
    assert is_worth_seeding(host, saved, now_ms=1000) is worth


@given(st.binary(max_size=200) | st.recursive(st.none(), st.lists).map(lambda v: repr(v).encode()))
def test_no_content_makes_the_expiry_fail(content: bytes) -> None:
    assert expires_at_ms(content) == 0
