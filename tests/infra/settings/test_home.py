# SPDX-License-Identifier: Apache-2.0
"""A user's home with things in it that must not be carried (compat SET-01, SET-02)."""

import os
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.settings import CarriedSettings, SettingsEntry, SettingsFormat, SettingsKind
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.settings.disk import DiskSettings


async def read(home: Path, *entries: SettingsEntry) -> CarriedSettings:
    return await DiskSettings().read(HostPath(str(home)), entries, {})


def entry(name: str, kind: SettingsKind = SettingsKind.FILE) -> SettingsEntry:
    path = PurePosixPath(name)
    return SettingsEntry(host_path=path, guest_path=path, kind=kind, format=SettingsFormat.JSON)


def reasons(found: CarriedSettings) -> dict[str, str]:
    return {str(each.source): each.reason for each in found.skipped}


async def test_a_link_on_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "CLAUDE.md").write_text("x")
    (tmp_path / ".claude").symlink_to("elsewhere")
    (tmp_path / "s.json").symlink_to("elsewhere/CLAUDE.md")
    found = await read(
        tmp_path,
        entry(".claude/CLAUDE.md"),
        entry(".claude", SettingsKind.DIRECTORY),
        entry("s.json", SettingsKind.MERGE_FILE),
    )
    assert found.files == ()
    assert reasons(found) == {
        ".claude/CLAUDE.md": ".claude is a symbolic link",
        ".claude": ".claude is a symbolic link",
        "s.json": "s.json is a symbolic link",
    }


async def test_a_home_that_is_a_link_is_the_users_own_choice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "home").symlink_to("real")
    assert len((await read(tmp_path / "home", entry("a"))).files) == 1


async def test_a_fifo_does_not_hang_and_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    assert reasons(await read(tmp_path, entry("a"))) == {"a": "it is no regular file"}


async def test_a_directory_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").touch()
    found = await read(tmp_path, entry("a"), entry("b", SettingsKind.DIRECTORY))
    assert reasons(found) == {"a": "it is no regular file", "b": "Not a directory"}


async def test_the_file_beyond_the_last_is_left_out_and_said_once(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for number in range(510):
        (tmp_path / "s" / f"{number:03}").touch()
    found = await read(tmp_path, entry("s", SettingsKind.DIRECTORY))
    assert len(found.files) == 500
    assert reasons(found) == {"s": "more than 500 files are not carried"}


async def test_files_beyond_the_total_size_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for number in range(52):
        with (tmp_path / "s" / f"{number:02}").open("wb") as file:
            file.truncate(1 << 20)
    (tmp_path / "s" / "small").touch()
    found = await read(tmp_path, entry("s", SettingsKind.DIRECTORY))
    assert [str(each.source) for each in found.skipped] == ["s/50", "s/51"]
    assert found.files[-1].source.name == "small"


async def test_what_lies_too_deep_is_named(tmp_path: Path) -> None:
    deep = tmp_path.joinpath("s", *"abcdefgh")
    (deep / "i").mkdir(parents=True)
    (deep / "kept").touch()
    found = await read(tmp_path, entry("s", SettingsKind.DIRECTORY))
    assert [file.source.name for file in found.files] == ["kept"]
    assert reasons(found) == {"s/a/b/c/d/e/f/g/h/i": "it is more than 8 directories deep"}


async def test_a_script_stays_executable_and_nothing_else_of_a_mode_is_kept(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for name, mode in (("run", 0o4755), ("text", 0o666)):
        (tmp_path / "s" / name).touch()
        (tmp_path / "s" / name).chmod(mode)
    found = await read(tmp_path, entry("s", SettingsKind.DIRECTORY))
    assert [file.mode for file in found.files] == [0o700, 0o600]


async def test_a_home_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = await read(tmp_path / "gone", entry("a"))
    assert found.files == ()
    assert "can't be read" in found.skipped[0].reason


@pytest.mark.parametrize("name", [os.fsdecode(b"bad\xff"), "a\nb", "é"])
async def test_any_name_is_carried_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / name).touch()
    found = await read(tmp_path, entry("s", SettingsKind.DIRECTORY))
    assert [file.path.name for file in found.files] == [name]
