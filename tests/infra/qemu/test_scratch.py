# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.sandbox_user import resolve_sandbox_user
from bbox_server.infra.qemu.scratch import make_scratch_disk

USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})


@pytest.fixture
def small_disk(sandbox_dir: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("mounts a file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(sandbox_dir)]
    subprocess.run(mount, check=True)
    yield sandbox_dir
    subprocess.run(["umount", str(sandbox_dir)], check=True)


async def test_the_disk_is_sparse_and_has_no_name(tmp_path: Path) -> None:
    fd = await make_scratch_disk(tmp_path, 16, USER)
    try:
        status = os.fstat(fd)
        assert status.st_size == 16 << 30
        assert status.st_blocks * 512 < 64 << 20
        assert status.st_nlink == 0
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - one that async code may call
        assert status.st_uid == USER.uid
    finally:
        os.close(fd)


async def test_the_disk_has_a_file_system_without_a_journal(tmp_path: Path) -> None:
    fd = await make_scratch_disk(tmp_path, 1, USER)
    try:
        # ext4 disk layout: the superblock is at 1024; magic at 0x38, compatible features at 0x5c.
        superblock = os.pread(fd, 1024, 1024)
        assert superblock[0x38:0x3A] == b"\x53\xef"
        assert not superblock[0x5C] & 0x04
    finally:
        os.close(fd)


async def test_a_full_disk_is_told_before_it_is_used(small_disk: Path) -> None:
    with pytest.raises(BboxError, match=str(small_disk)) as caught:
        await make_scratch_disk(small_disk, 16, USER)
    assert caught.value.code is ErrorCode.DISK_FULL
