# SPDX-License-Identifier: Apache-2.0
"""What every store of logins does."""

from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.login import CredentialFile, FoundCredentials, LoginStore
from bbox_server.infra.credential.logins import DiskLoginStore
from tests.fakes.login import MemoryLoginStore

AUTH = PurePosixPath(".codex/auth.json")
OTHER = PurePosixPath(".codex/deep/er/other.json")
PATHS = (PurePosixPath(".codex"),)


@pytest.fixture(params=["fake", "disk"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LoginStore:
    return MemoryLoginStore() if request.param == "fake" else DiskLoginStore(config=tmp_path)


def a_file(content: bytes, path: PurePosixPath = AUTH) -> CredentialFile:
    return CredentialFile(path=path, content=content)


def found(*files: CredentialFile, complete: bool = True) -> FoundCredentials:
    present = frozenset(file.path for file in files)
    return FoundCredentials(files=files, present=present, complete=complete)


def content(store: LoginStore) -> dict[PurePosixPath, bytes]:
    return {file.path: file.content for file in store.load("codex", PATHS)}


def test_what_was_saved_is_loaded(store: LoginStore) -> None:
    files = (a_file(b"1"), a_file(b"2", OTHER))
    assert store.save("codex", (), found(*files)).written == files
    assert store.load("codex", PATHS) == files


def test_an_agent_without_a_login_has_no_files(store: LoginStore) -> None:
    assert store.load("codex", PATHS) == ()
    assert store.list() == ()
    assert store.clear("codex") is False


def test_only_the_agents_paths_are_loaded(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"1"), a_file(b"2", PurePosixPath("x"))))
    assert store.load("codex", (AUTH,)) == (a_file(b"1"),)


def test_agents_have_logins_of_their_own(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"1")))
    store.save("other", (), found(a_file(b"2")))
    assert content(store) == {AUTH: b"1"}
    assert [login.agent for login in store.list()] == ["codex", "other"]


def test_a_logout_in_the_guest_is_one_here(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"1"), a_file(b"2", OTHER)))
    given = store.load("codex", PATHS)
    assert store.save("codex", given, found(a_file(b"2", OTHER))).removed == (AUTH,)
    assert content(store) == {OTHER: b"2"}


def test_nothing_is_removed_when_not_all_was_seen(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"1")))
    store.save("codex", store.load("codex", PATHS), found(complete=False))
    assert content(store) == {AUTH: b"1"}


def test_who_changed_nothing_does_not_bring_an_old_token_back(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"old")))
    given = store.load("codex", PATHS)
    store.save("codex", given, found(a_file(b"rotated")))
    assert store.save("codex", given, found(a_file(b"old"))).written == ()
    assert content(store) == {AUTH: b"rotated"}


def test_of_two_that_changed_it_the_last_one_wins(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"old")))
    given = store.load("codex", PATHS)
    store.save("codex", given, found(a_file(b"first")))
    store.save("codex", given, found(a_file(b"second")))
    assert content(store) == {AUTH: b"second"}


def test_a_login_that_another_session_renewed_is_not_removed(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"old")))
    given = store.load("codex", PATHS)
    store.save("codex", given, found(a_file(b"renewed")))
    store.save("codex", given, found())
    assert content(store) == {AUTH: b"renewed"}


@pytest.mark.parametrize("first", [AUTH, AUTH / "inner"])
def test_a_file_and_a_directory_take_each_others_place(
    store: LoginStore, first: PurePosixPath
) -> None:
    second = AUTH / "inner" if first == AUTH else AUTH
    store.save("codex", (), found(a_file(b"1", first)))
    store.save("codex", store.load("codex", PATHS), found(a_file(b"2", second)))
    assert content(store) == {second: b"2"}


def test_a_login_can_be_forgotten(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"1")))
    assert store.clear("codex") is True
    assert store.list() == ()
    assert content(store) == {}


def test_a_list_tells_names_and_sizes(store: LoginStore) -> None:
    store.save("codex", (), found(a_file(b"12345")))
    (login,) = store.list()
    assert [(file.path, file.size) for file in login.files] == [(AUTH, 5)]


@pytest.mark.parametrize("name", ["../codex", "", ".", "a/b", "codex\n"])
def test_a_name_that_no_agent_has_is_refused(store: LoginStore, name: str) -> None:
    with pytest.raises(BboxError) as raised:
        store.clear(name)
    assert raised.value.code is ErrorCode.AGENT_INVALID_NAME
