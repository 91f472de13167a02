# SPDX-License-Identifier: Apache-2.0
"""What every source of settings does: a home in memory and one on disk."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.fields import FieldFilter
from bbox_server.domain.settings import (
    FILE_LIMIT_BYTES,
    CarriedSettings,
    SettingsCategory,
    SettingsEntry,
    SettingsFormat,
    SettingsKind,
    SettingsSource,
)
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.settings.disk import DiskSettings
from tests.fakes.settings import MemorySettings

Files = Mapping[str, bytes | None]
Home = Callable[[Files], SettingsSource]


def path(text: str) -> PurePosixPath:
    return PurePosixPath(text)


def entry(host: str, kind: SettingsKind = SettingsKind.FILE, **changes: object) -> SettingsEntry:
    fields: dict[str, object] = {"guest_path": path(host), "kind": kind}
    return SettingsEntry(host_path=path(host), **{**fields, **changes})  # type: ignore[arg-type]  # the tests' own names


def merge(host: str, **changes: object) -> SettingsEntry:
    return entry(host, SettingsKind.MERGE_FILE, format=SettingsFormat.JSON, **changes)


@pytest.fixture(params=["fake", "disk"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Home:
    def on_disk(files: Files) -> SettingsSource:
        for name, content in files.items():
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.symlink_to("/etc/hostname")
            else:
                place.write_bytes(content)
        return DiskSettings()

    return on_disk if request.param == "disk" else lambda files: MemorySettings(files=dict(files))


@pytest.fixture
def read(home: Home, tmp_path: Path) -> "Read":
    return Read(home, tmp_path)


class Read:
    """A home, and what is read of it."""

    def __init__(self, home: Home, place: Path) -> None:
        self.home = home
        self.place = HostPath(str(place))

    async def __call__(
        self, files: Files, *entries: SettingsEntry, own: Mapping[str, bytes] | None = None
    ) -> CarriedSettings:
        paths = {path(name): content for name, content in (own or {}).items()}
        return await self.home(files).read(self.place, entries, paths)


def contents(found: CarriedSettings) -> dict[str, bytes]:
    return {str(file.path): file.content for file in found.files}


def skipped(found: CarriedSettings) -> list[str]:
    return [str(each.source) for each in found.skipped]


async def test_a_file_is_copied_to_its_place_in_the_guest(read: Read) -> None:
    wanted = entry("CLAUDE.md", guest_path=path("x/GEMINI.md"), category=SettingsCategory.RULES)
    found = await read({"CLAUDE.md": b"be brief"}, wanted)
    assert contents(found) == {"x/GEMINI.md": b"be brief"}
    assert (found.files[0].source, found.files[0].category) == (
        path("CLAUDE.md"),
        SettingsCategory.RULES,
    )


async def test_a_directory_is_copied_with_all_below_it(read: Read) -> None:
    files = {"s/a/SKILL.md": b"1", "s/b/deep/x": b"2", "t/y": b"3"}
    found = await read(files, entry("s", SettingsKind.DIRECTORY, guest_path=path("g/s")))
    assert contents(found) == {"g/s/a/SKILL.md": b"1", "g/s/b/deep/x": b"2"}


async def test_of_a_merged_file_only_the_allowed_fields_pass(read: Read) -> None:
    fields = FieldFilter(allow=("model",))
    found = await read({"s.json": b'{"model": "m", "hooks": 1}'}, merge("s.json", fields=fields))
    assert json.loads(found.files[0].content) == {"model": "m"}
    assert found.files[0].fields_left_out == ("hooks",)


async def test_credentials_in_a_merged_file_never_pass(read: Read) -> None:
    content = b'{"a": [{"apiKey": "x", "n": 1}], "authToken": "y"}'
    found = await read({"s.json": content}, merge("s.json"))
    assert json.loads(found.files[0].content) == {"a": [{"n": 1}]}
    assert found.files[0].secrets_left_out == ("a[0].apiKey", "authToken")


async def test_what_bbox_writes_itself_stands_above_what_is_merged(read: Read) -> None:
    files = {"s.json": b'{"a": {"x": 1, "y": 1}, "b": 1}'}
    found = await read(files, merge("s.json"), own={"s.json": b'{"a": {"x": 2}}'})
    assert json.loads(found.files[0].content) == {"a": {"x": 2, "y": 1}, "b": 1}


async def test_what_bbox_writes_itself_is_not_replaced_by_a_copy(read: Read) -> None:
    found = await read({"s.json": b"{}"}, entry("s.json"), own={"s.json": b"mine"})
    assert (contents(found), skipped(found)) == ({}, ["s.json"])


async def test_what_is_missing_is_no_matter_unless_it_must_be_there(read: Read) -> None:
    assert await read({}, entry("a"), entry("d", SettingsKind.DIRECTORY)) == CarriedSettings()
    with pytest.raises(BboxError) as caught:
        await read({}, entry("a", optional=False))
    assert caught.value.code is ErrorCode.SETTINGS_MISSING


@pytest.mark.parametrize(
    ("bad", "content"),
    [
        ("s/link", None),
        ("s/large", bytes(FILE_LIMIT_BYTES + 1)),
        ("s/id_rsa", b"key"),
        ("s/.ENV", b"key"),
        ("s/auth.json", b"{}"),
        ("s/plug/.git/config", b"token"),
    ],
)
async def test_a_bad_file_is_left_out_and_named_and_the_rest_is_carried(
    read: Read, bad: str, content: bytes | None
) -> None:
    files = {"s/good": b"1", bad: content, "s/zlast": b"2"}
    found = await read(files, entry("s", SettingsKind.DIRECTORY))
    assert contents(found) == {"s/good": b"1", "s/zlast": b"2"}
    assert skipped(found) == [bad]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"nonsense", None])
async def test_a_merged_file_that_can_not_be_read_is_left_out(
    read: Read, content: bytes | None
) -> None:
    found = await read({"s.json": content, "ok": b"1"}, merge("s.json"), entry("ok"))
    assert (contents(found), skipped(found)) == ({"ok": b"1"}, ["s.json"])


async def test_a_file_of_the_greatest_size_is_carried(read: Read) -> None:
    found = await read({"a": bytes(FILE_LIMIT_BYTES)}, entry("a"))
    assert skipped(found) == []


async def test_of_two_entries_for_one_place_the_later_one_counts(read: Read) -> None:
    files = {"a": b"1", "b": b"2"}
    found = await read(files, entry("a"), entry("b", guest_path=path("a")))
    assert contents(found) == {"a": b"2"}
