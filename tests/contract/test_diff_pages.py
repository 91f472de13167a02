# SPDX-License-Identifier: Apache-2.0
"""What every place for diffs does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.diff_page import DiffPages
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.sessions.diff_pages import DiskDiffPages
from tests.fakes.diff_page import MemoryDiffPages

SESSION = SessionId("3f9a1c07")


@dataclass
class Place:
    """Where diffs are put, and how they are read."""

    pages: DiffPages
    read: Callable[[HostPath], str]


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        fake = MemoryDiffPages([SESSION])
        return Place(fake, fake.pages.__getitem__)
    (tmp_path / "sessions" / SESSION).mkdir(parents=True)
    return Place(DiskDiffPages(tmp_path), lambda page: Path(page).read_text())


def test_a_diff_is_where_it_is_told(place: Place) -> None:
    page = place.pages.put(SESSION, WorkspacePath("src/money.py"), "-old\n+new\n")
    assert place.read(page) == "-old\n+new\n"


def test_each_path_has_one_place(place: Place) -> None:
    one = place.pages.put(SESSION, WorkspacePath("a/x.py"), "one")
    other = place.pages.put(SESSION, WorkspacePath("b/x.py"), "other")
    again = place.pages.put(SESSION, WorkspacePath("a/x.py"), "again")
    assert (one == again, one == other) == (True, False)
    assert (place.read(one), place.read(other)) == ("again", "other")


def test_there_is_no_place_without_a_session(place: Place) -> None:
    with pytest.raises(BboxError) as raised:
        place.pages.put(SessionId("00000000"), WorkspacePath("x"), "")
    assert raised.value.code is ErrorCode.SESSION_UNKNOWN


@pytest.mark.parametrize("name", ["a\nb", "x" * 255, "..%2f", "a b;c", "é\udcff"])
def test_the_guests_names_are_no_names_of_files(tmp_path: Path, name: str) -> None:
    (tmp_path / "sessions" / SESSION).mkdir(parents=True)
    page = Path(DiskDiffPages(tmp_path).put(SESSION, WorkspacePath(f"d/{name}"), "text"))
    assert page.parent == tmp_path / "sessions" / SESSION / "diffs"
    assert page.stat().st_mode & 0o777 == 0o600
    assert page.parent.stat().st_mode & 0o777 == 0o700
    assert len(page.name) < 100
    assert page.name.isprintable()
