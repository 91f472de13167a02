# SPDX-License-Identifier: Apache-2.0
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.cpio import Archive, Owner
from tests.unit.guest.initramfs import by_path, read_archives

_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1).filter(
    lambda name: name not in {".", "..", "TRAILER!!!"}
)


@given(st.dictionaries(_NAMES, st.binary(max_size=40), max_size=8))
def test_what_is_written_is_read_back(files: dict[str, bytes]) -> None:
    archive = Archive()
    for name, content in files.items():
        archive.file(f"d/{name}", content, 0o640)

    entries = by_path(read_archives(archive.finish())[0])

    assert {path: entry.content for path, entry in entries.items() if path != "d"} == {
        f"d/{name}": content for name, content in files.items()
    }


def test_parents_come_before_their_entries() -> None:
    archive = Archive()
    archive.file("a/b/c", b"")

    paths = [entry.path for entry in read_archives(archive.finish())[0]]

    assert paths == ["a", "a/b", "a/b/c"]


def test_kinds_modes_and_owners_are_kept() -> None:
    archive = Archive()
    archive.directory("home", 0o700, Owner(uid=1000, gid=1001))
    archive.symlink("link", "home")
    archive.character_device("null", 0o666, 1, 3)

    entries = by_path(read_archives(archive.finish())[0])

    assert entries["home"].mode == stat.S_IFDIR | 0o700
    assert (entries["home"].uid, entries["home"].gid) == (1000, 1001)
    assert entries["link"].mode == stat.S_IFLNK | 0o777
    assert entries["link"].content == b"home"
    assert entries["null"].mode == stat.S_IFCHR | 0o666
    assert entries["null"].device == (1, 3)


def test_no_entry_has_a_time() -> None:
    archive = Archive()
    archive.file("a", b"x")

    assert {entry.mtime for entry in read_archives(archive.finish())[0]} == {0}


def test_a_file_twice_is_refused() -> None:
    archive = Archive()
    archive.file("a", b"")

    with pytest.raises(ValueError, match="twice"):
        archive.file("a", b"")


def test_another_archive_can_follow() -> None:
    archive = Archive()
    archive.file("a", b"xyz")

    assert len(archive.finish()) % 4 == 0
