# SPDX-License-Identifier: Apache-2.0
"""What only a real guest shows of its shell and its shares."""

import asyncio
import os
from pathlib import PurePosixPath

import pytest

from bbox_server.domain.guest_file import GuestFile
from bbox_server.domain.terminal import GuestCommand, GuestUser
from tests.vm.booted import BUSYBOX, Booted, say

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]


async def test_a_file_is_written_whole_with_its_mode_and_directories(sandbox: Booted) -> None:
    content = os.urandom(1_000_000)
    async with sandbox.shell() as shell:
        await shell.write_file("/home/sandbox/a b/c'd/file", content, 0o640)
        said = await say(
            shell, 'cd; stat -c \'%a %U\' "a b" "a b/c\'d/file"; wc -c <"a b/c\'d/file"'
        )
        assert said.split() == ["700", "sandbox", "640", "sandbox", "1000000"]
        await shell.write_file("/home/sandbox/a b/c'd/file", b"less", 0o600)
        assert await say(shell, "cat ~/'a b'/c*/file; ls ~/'a b'/c*") == "lessfile\n"


async def test_many_files_have_their_modes_and_follow_no_link(sandbox: Booted) -> None:
    files = (
        GuestFile(path=PurePosixPath("many/a b/é"), content=b"1"),
        GuestFile(path=PurePosixPath("many/run"), content=b"2", mode=0o700),
        GuestFile(path=PurePosixPath("many/link"), content=b"3"),
    )
    async with sandbox.shell() as shell:
        await say(shell, "cd; mkdir -m 755 many; echo kept >target; ln -s ../target many/link")
        await shell.write_files(files, "/home/sandbox")
        said = await say(
            shell,
            "cd; stat -c '%a %U %F' many many/a* many/a*/* many/run many/link; "
            "cat target many/link",
        )
    assert said.splitlines() == [
        "755 sandbox directory",
        "700 sandbox directory",
        "600 sandbox regular file",
        "700 sandbox regular file",
        "600 sandbox regular file",
        "kept",
        "3",
    ]


async def test_leaving_a_command_ends_it_in_the_guest(sandbox: Booted) -> None:
    async with sandbox.shell() as shell:
        async with shell.run(GuestCommand(argv=(BUSYBOX, "sleep", "4321"))):
            assert "sleep 4321" in await say(shell, "ps")
        async with asyncio.timeout(10):
            while "sleep 4321" in await say(shell, "ps"):
                pass


async def test_root_and_agent_log_in_one_after_the_other(sandbox: Booted) -> None:
    async with sandbox.shell(GuestUser.ROOT) as shell:
        assert await say(shell, "id -u") == "0\n"
    async with sandbox.shell() as shell:
        assert await say(shell, "id -u") == "1000\n"


async def test_a_connection_that_was_flooded_is_followed_by_a_clean_one(sandbox: Booted) -> None:
    for _ in range(3):
        async with (
            sandbox.shell() as shell,
            shell.run(GuestCommand(argv=(BUSYBOX, "yes"))) as process,
        ):
            assert await process.read()
    async with sandbox.shell() as shell:
        assert await say(shell, "echo clean") == "clean\n"


async def test_the_agent_changes_its_workspace_and_not_the_generation(sandbox: Booted) -> None:
    async with sandbox.shell() as shell:
        await say(shell, "echo more >>hello; echo new >new; rm -f none")
        assert await say(shell, "cat hello") == "hello\nmore\n"
    assert (sandbox.house.root / "lower/hello").read_text() == "hello\n"
    assert (sandbox.house.root / "upper/u/hello").read_text() == "hello\nmore\n"
    assert (sandbox.house.root / "upper/u/new").stat().st_uid == sandbox.house.settings.user.uid


@pytest.mark.parametrize(
    "attack",
    [
        "echo x >/mnt/hello",
        "rm /mnt/hello",
        "touch /mnt/new",
        "chmod 777 /mnt/hello",
        "mv /mnt/hello /mnt/other",
        "mount -o remount,rw /mnt && touch /mnt/new",
    ],
)
async def test_the_guests_root_can_not_write_the_generation(sandbox: Booted, attack: str) -> None:
    mount = "mkdir -p /mnt; mountpoint -q /mnt || mount -t virtiofs lo /mnt"
    async with sandbox.shell(GuestUser.ROOT) as shell:
        assert "WROTE" not in await say(shell, f"{mount}; if {attack}; then echo WROTE; fi")
    lower = sandbox.house.root / "lower"
    assert [entry.name for entry in lower.iterdir()] == ["hello"]
    assert (lower / "hello").read_text() == "hello\n"
    assert (lower / "hello").stat().st_mode & 0o777 == 0o644
