# SPDX-License-Identifier: Apache-2.0
"""Logins on disk: who may read them, what is never followed, and several writers."""

import json
import multiprocessing
import os
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.login import FILE_BYTES, CredentialFile, FoundCredentials
from bbox_server.infra.credential.logins import DiskLoginStore, HomeLogins

AUTH = PurePosixPath(".codex/auth.json")
MORE = PurePosixPath(".codex/more.json")
PATHS = (PurePosixPath(".codex"),)
WRITES = 30


def save(store: DiskLoginStore, content: bytes, *paths: PurePosixPath) -> None:
    files = tuple(CredentialFile(path=path, content=content) for path in paths or (AUTH,))
    store.save("codex", (), FoundCredentials(files=files, complete=False))


@pytest.fixture
def store(tmp_path: Path) -> DiskLoginStore:
    return DiskLoginStore(config=tmp_path)


def test_only_the_user_can_read_it(store: DiskLoginStore, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        save(store, b"1")
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.lstat().st_mode)
        for path in tmp_path.rglob("*")
    }
    assert modes == {
        "agent-state": 0o700,
        "agent-state/codex": 0o700,
        "agent-state/codex/.lock": 0o600,
        "agent-state/codex/.codex": 0o700,
        "agent-state/codex/.codex/auth.json": 0o600,
    }


def test_a_link_in_the_store_is_not_followed(store: DiskLoginStore, tmp_path: Path) -> None:
    save(store, b"1")
    outside = tmp_path / "outside"
    outside.mkdir()
    place = tmp_path / "agent-state/codex/.codex"
    place.rename(tmp_path / "moved")
    place.symlink_to(outside)
    with pytest.raises(BboxError) as raised:
        save(store, b"2")
    assert raised.value.code is ErrorCode.CREDENTIAL_STORE_FAILED
    assert "bbox auth clear codex" in raised.value.remediation
    assert list(outside.iterdir()) == []
    assert store.load("codex", PATHS) == ()


def test_a_file_that_is_a_link_is_no_part_of_a_login(store: DiskLoginStore, tmp_path: Path) -> None:
    save(store, b"1")
    place = tmp_path / "agent-state/codex" / AUTH
    place.unlink()
    place.symlink_to("/etc/passwd")
    assert store.load("codex", PATHS) == ()
    save(store, b"2")
    assert (place.is_symlink(), place.read_bytes()) == (False, b"2")


def test_what_an_older_program_left_there_is_bounded(store: DiskLoginStore, tmp_path: Path) -> None:
    save(store, b"1")
    (tmp_path / "agent-state/codex/.codex/history").write_bytes(bytes(FILE_BYTES + 1))
    os.mkfifo(tmp_path / "agent-state/codex/.codex/fifo")
    assert [file.path for file in store.load("codex", PATHS)] == [AUTH]


def test_a_name_of_no_agent_is_not_listed(store: DiskLoginStore, tmp_path: Path) -> None:
    save(store, b"1")
    (tmp_path / "agent-state/.hidden").mkdir()
    (tmp_path / "agent-state/.hidden/x").write_text("x")
    assert [login.agent for login in store.list()] == ["codex"]


def test_writers_never_tear_a_login(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    writers = [
        context.Process(target=write_often, args=(str(tmp_path), number, barrier))
        for number in range(2)
    ]
    for writer in writers:
        writer.start()
    barrier.wait()
    seen = [
        {json.loads(file.content)["who"] for file in files}
        for _ in range(WRITES)
        if (files := DiskLoginStore(config=tmp_path).load("codex", PATHS))
    ]
    for writer in writers:
        writer.join()
    seen.append(
        {
            json.loads(file.content)["who"]
            for file in DiskLoginStore(config=tmp_path).load("codex", PATHS)
        }
    )
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert all(len(who) == 1 for who in seen), seen
    assert not list(tmp_path.rglob(".cred-*"))


def write_often(config: str, number: int, barrier: Barrier) -> None:
    """A session: both files are of the same writer, whenever somebody looks."""
    store = DiskLoginStore(config=Path(config))
    barrier.wait()
    for turn in range(WRITES):
        content = json.dumps({"who": f"{number}-{turn}", "x": "x" * 10_000}).encode()
        save(store, content, AUTH, MORE)


def test_the_hosts_own_login_is_read_without_following_links(tmp_path: Path) -> None:
    home = HomeLogins(home=tmp_path)
    assert home.read(AUTH) is None
    (tmp_path / ".codex").mkdir()
    (tmp_path / AUTH).write_bytes(b"{}")
    assert home.read(AUTH) == CredentialFile(path=AUTH, content=b"{}")
    (tmp_path / AUTH).rename(tmp_path / "moved")
    (tmp_path / AUTH).symlink_to(tmp_path / "moved")
    assert home.read(AUTH) is None
