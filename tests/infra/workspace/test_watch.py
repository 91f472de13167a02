# SPDX-License-Identifier: Apache-2.0
"""When the agent's directory is said to have changed."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bbox_server.infra.workspace import watch
from bbox_server.infra.workspace.watch import watch_directory

PATIENCE_S = 10
QUIET_S = 0.5


@asynccontextmanager
async def watching(path: Path) -> AsyncIterator[AsyncGenerator[None, None]]:
    """Notices from the moment on that everything below is watched."""
    fd = os.open(path, os.O_RDONLY)
    notices = watch_directory(fd)
    try:
        await anext(notices)
        yield notices
    finally:
        await notices.aclose()
        os.close(fd)


async def is_noticed(notices: AsyncGenerator[None, None]) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        await anext(notices)
    return True


async def is_quiet(notices: AsyncGenerator[None, None]) -> bool:
    try:
        async with asyncio.timeout(QUIET_S):
            await anext(notices)
    except TimeoutError:
        return True
    return False


async def test_a_new_file_is_noticed(tmp_path: Path) -> None:
    async with watching(tmp_path) as notices:
        (tmp_path / "a").touch()
        assert await is_noticed(notices)


@pytest.mark.parametrize("how", ["write", "append", "mode", "move", "remove", "link"])
async def test_every_kind_of_change_is_noticed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "d/a"
    path.parent.mkdir()
    path.write_text("1")
    async with watching(tmp_path) as notices:
        match how:
            case "write":
                path.write_text("2")
            case "append":
                os.truncate(path, 10)
            case "mode":
                path.chmod(0o755)
            case "move":
                path.rename(tmp_path / "b")
            case "remove":
                path.unlink()
            case _:
                (tmp_path / "d/l").symlink_to("a")
        assert await is_noticed(notices)


async def test_a_burst_is_one_notice(tmp_path: Path) -> None:
    async with watching(tmp_path) as notices:
        for number in range(100):
            (tmp_path / str(number)).touch()
        await is_noticed(notices)
        assert await is_quiet(notices)


async def test_directories_made_meanwhile_are_watched(tmp_path: Path) -> None:
    async with watching(tmp_path) as notices:
        (tmp_path / "a/b/c").mkdir(parents=True)
        await is_noticed(notices)
        (tmp_path / "a/b/c/file").touch()
        assert await is_noticed(notices)


async def test_directories_moved_meanwhile_are_watched(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    async with watching(tmp_path) as notices:
        (tmp_path / "a").rename(tmp_path / "z")
        await is_noticed(notices)
        (tmp_path / "z/b/new").mkdir()
        await is_noticed(notices)
        (tmp_path / "z/b/new/file").touch()
        assert await is_noticed(notices)


async def test_no_link_is_followed(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for path in (outside, inside):
        path.mkdir()
    (inside / "before").symlink_to(outside)
    async with watching(inside) as notices:
        (inside / "after").symlink_to(outside)
        await is_noticed(notices)
        (outside / "file").touch()
        assert await is_quiet(notices)


async def test_without_a_change_there_is_no_notice(tmp_path: Path) -> None:
    async with watching(tmp_path) as notices:
        assert await is_quiet(notices)


async def test_without_enough_watches_it_looks_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "WATCH_LIMIT", 1)
    monkeypatch.setattr(watch, "POLL_S", 0.05)
    (tmp_path / "a/b").mkdir(parents=True)
    async with watching(tmp_path) as notices:
        assert await is_noticed(notices)


async def test_the_watched_directory_may_go_away(tmp_path: Path) -> None:
    path = tmp_path / "u"
    path.mkdir()
    async with watching(path) as notices:
        shutil.rmtree(path)
        assert await is_quiet(notices)


async def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = open_descriptors()
    async with watching(tmp_path):
        pass
    assert open_descriptors() == before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
