# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from images.apt import sources
from images.pins import BuildError

DEB822 = """\
# comment
Types: deb deb-src
URIs: http://mirror.example.com/debian
Suites: bookworm bookworm-updates
 bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Enabled: no
Types: deb
URIs: http://off.example.com/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://other.example.com/node
Suites: nodistro
Components: main
"""
ONE_LINE = """\
deb [signed-by=/k.gpg arch=amd64] http://mirror.example.com/debian bookworm main contrib # here
deb-src http://mirror.example.com/debian bookworm main
deb http://third.example.com/apt bookworm stable
deb http://mirror.example.com/security bookworm-security main
"""


def test_stanzas_become_lines_of_the_series(tmp_path: Path) -> None:
    directory = tmp_path / "sources.list.d"
    directory.mkdir()
    (directory / "debian.sources").write_text(DEB822)

    key = "[signed-by=/usr/share/keyrings/debian.gpg]"
    assert sources("bookworm", tmp_path).splitlines() == [
        f"deb {key} http://mirror.example.com/debian bookworm main",
        f"deb {key} http://mirror.example.com/debian bookworm-updates main",
    ]


def test_lines_of_other_repositories_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)

    assert sources("bookworm", tmp_path).splitlines() == [
        "deb [signed-by=/k.gpg arch=amd64] http://mirror.example.com/debian bookworm main contrib",
        "deb http://mirror.example.com/security bookworm-security main",
    ]


def test_a_machine_of_another_series_has_none(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)

    assert sources("trixie", tmp_path) == ""


def test_a_password_in_a_source_never_gets_into_an_image(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://me:secret@example.com/d bookworm main\n")

    with pytest.raises(BuildError, match=r"auth\.conf"):
        sources("bookworm", tmp_path)
