# SPDX-License-Identifier: Apache-2.0
import lzma
from pathlib import Path

import pytest

from guest.deb import Member, PackageError, read_members
from tests.unit.guest.packages import deb


@pytest.mark.parametrize("suffix", [".xz", ".gz", ""])
def test_wanted_files_and_links_are_read(tmp_path: Path, suffix: str) -> None:
    package = deb(tmp_path / "a.deb", {"bin/a": b"A", "bin/b": "a", "bin/c": b"C"}, suffix)

    members = read_members(package, lambda path: path != "bin/c")

    assert members == {"bin/a": Member(content=b"A"), "bin/b": Member(target="a")}


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "a.deb"
    package.write_bytes(b"<html>gone</html>")

    with pytest.raises(PackageError, match="not a Debian package"):
        read_members(package, lambda _: True)


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    package = deb(tmp_path / "a.deb", {}, "")
    package.write_bytes(package.read_bytes().replace(b"data.tar    ", b"data.tar.zst"))

    with pytest.raises(PackageError, match=r"data\.tar\.zst"):
        read_members(package, lambda _: True)


@pytest.mark.parametrize("length", [8, 60, 68, 200, -40])
def test_a_cut_package_is_refused(tmp_path: Path, length: int) -> None:
    package = deb(tmp_path / "a.deb", {"bin/a": bytes(range(256)) * 20})
    package.write_bytes(package.read_bytes()[:length])

    with pytest.raises((PackageError, EOFError, lzma.LZMAError)):
        read_members(package, lambda _: True)
