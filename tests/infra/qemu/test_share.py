# SPDX-License-Identifier: Apache-2.0
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.process.capture import Completed, run
from bbox_server.infra.process.command import Command
from bbox_server.infra.process.sandbox_user import SandboxUser, resolve_sandbox_user
from bbox_server.infra.qemu import confine
from bbox_server.infra.qemu.share import (
    Access,
    Dialect,
    ServedDirectory,
    ShareProgram,
    find_share_program,
    serve_share,
)

USER = resolve_sandbox_user(uid=os.geteuid(), gid=os.getegid(), environment={})


def give(path: Path, user: SandboxUser = USER) -> Path:
    os.chown(path, user.uid, user.gid)
    return path


@pytest.fixture
def shared(sandbox_dir: Path) -> Path:
    directory = sandbox_dir / "share"
    directory.mkdir()
    (directory / "file").write_text("content")
    give(directory / "file")
    return give(directory)


def confined(access: Access, directory: Path, *words: str, parent: int = 0) -> Command:
    identity = (str(parent or os.getpid()), str(USER.uid), str(USER.gid))
    return Command(
        argv=(
            *(sys.executable, "-I", "-S", confine.__file__, *identity),
            *(access.value, str(directory), "--", *words),
        )
    )


async def shell(access: Access, directory: Path, script: str) -> Completed:
    return await run(confined(access, directory, "/bin/sh", "-c", script))


async def test_the_daemon_is_the_guest_user_with_the_capabilities_of_its_own_namespace(
    shared: Path,
) -> None:
    said = await shell(
        Access.WRITE,
        shared,
        "id -u; id -g; grep CapEff /proc/self/status; cat /proc/self/uid_map; stat -c %u file",
    )
    lines = said.output.decode().split("\n")
    assert lines[:2] == ["1000", "1000"]
    assert int(lines[2].split()[1], 16) & 1 == 1
    assert lines[3].split() == ["1000", str(USER.uid), "1"]


async def test_what_it_writes_belongs_to_the_sandbox_user(shared: Path) -> None:
    await shell(Access.WRITE, shared, f"echo x > {shared}/new")
    assert (shared / "new").stat().st_uid == USER.uid


@pytest.mark.parametrize(
    "script",
    [
        "echo x > {0}/new",
        "rm {0}/file",
        "chmod 777 {0}/file",
        "mount -o remount,rw {0}",
        "mount --bind -o remount,rw {0}",
    ],
)
async def test_a_read_only_share_can_not_be_written(shared: Path, script: str) -> None:
    said = await shell(Access.READ, shared, script.format(shared))
    assert said.exit_code != 0
    assert os.listdir(shared) == ["file"]  # noqa: PTH208 - one that async code may call
    assert (shared / "file").stat().st_mode & 0o777 == 0o644


def masked(shared: Path) -> Path:
    """A share with a secret file and a secret directory; returns the list of masks."""
    for name in ("blank", "settings"):
        (shared.parent / name).write_text("")
        (shared.parent / name).chmod(0o444)
    (shared.parent / "settings").write_text("shown\n")
    (shared.parent / "empty").mkdir()
    give(shared / "file").write_text("secret")
    for name in ("dir", "dir/inner"):
        (shared / name).mkdir()
        give(shared / name)
    give_file = shared / "config"
    give_file.write_text("token")
    give(give_file)
    pairs = {"file": "blank", "dir": "empty", "config": "settings", "absent": "blank"}
    masks = shared.parent / "masks"
    words = [word for name, over in pairs.items() for word in (shared.parent / over, shared / name)]
    masks.write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
    masks.chmod(0o600)
    return masks


async def direct(shared: Path, script: str) -> Completed:
    masks = masked(shared)
    command = confined(Access.DIRECT, shared, "/bin/sh", "-c", script.format(shared))
    at = command.argv.index("--")
    return await run(replace(command, argv=(*command.argv[:at], str(masks), *command.argv[at:])))


async def test_a_direct_share_is_written_and_its_masks_hide_what_is_below(shared: Path) -> None:
    said = await direct(shared, "echo x >{0}/new; cat {0}/file {0}/config; ls {0}/dir")
    assert (said.output, said.errors, said.exit_code) == (b"shown\n", b"", 0)
    assert (shared / "new").stat().st_uid == USER.uid
    assert (shared / "file").read_text() == "secret"


@pytest.mark.parametrize(
    "script",
    [
        "rm {0}/file",
        "mv {0}/file {0}/moved",
        "echo x >{0}/file",
        "chmod 666 {0}/file",
        "umount {0}/file",
        "umount -l {0}/dir",
        "mount -o remount,rw {0}/file",
        "echo x >{0}/dir/new",
        "rmdir {0}/dir",
    ],
)
async def test_a_mask_can_not_be_taken_away(shared: Path, script: str) -> None:
    said = await direct(shared, script)
    assert said.exit_code != 0
    assert (shared / "file").read_text() == "secret"
    assert (shared / "dir/inner").is_dir()
    assert (shared.parent / "blank").read_text() == ""


async def test_the_mount_is_not_seen_outside(shared: Path) -> None:
    await shell(Access.READ, shared, "true")
    mounts = (await run(Command(argv=("cat", "/proc/self/mounts")))).output
    assert str(shared).encode() not in mounts


async def test_the_descriptor_limit_is_as_high_as_it_may_be(shared: Path) -> None:
    said = (await shell(Access.WRITE, shared, "ulimit -Sn; ulimit -Hn")).output.split()
    assert said[0] == said[1]
    assert int(said[0]) >= 20_000


async def test_the_daemon_may_not_set_up_for_a_parent_that_is_gone(shared: Path) -> None:
    said = await run(confined(Access.WRITE, shared, "/bin/echo", "ran", parent=1))
    assert (said.output, said.exit_code) == (b"", 1)
    assert b"the parent is gone" in said.errors


async def test_a_share_that_can_not_be_reached_says_so(shared: Path) -> None:
    shared.parent.chmod(0o700)
    program = await find_share_program("/usr/bin")
    served = ServedDirectory(directory=shared, access=Access.READ)
    async with serve_share(program, served, USER, shared.parent / "lo") as share:
        await share.child.wait()
        failure = share.failure()
    if os.geteuid() == 0:
        assert failure is not None
        assert failure.code is ErrorCode.SHARE_FAILED
        assert "Permission denied" in failure.cause


async def test_a_daemon_whose_client_leaves_has_not_failed(shared: Path) -> None:
    program = await find_share_program("/usr/bin")
    served = ServedDirectory(directory=shared, access=Access.WRITE)
    async with serve_share(program, served, USER, shared.parent / "up") as share:
        assert not (shared.parent / "up").exists()
        share.connection.close()
        await share.child.wait()
        assert share.failure() is None


async def test_a_daemon_that_is_killed_has_failed(shared: Path) -> None:
    program = await find_share_program("/usr/bin")
    served = ServedDirectory(directory=shared, access=Access.WRITE)
    async with serve_share(program, served, USER, shared.parent / "up") as share:
        share.child.kill()
        failure = share.failure()
    assert failure is not None
    assert failure.code is ErrorCode.SHARE_FAILED


async def test_a_missing_daemon_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bbox_server.infra.qemu.share.PLACES", ())
    with pytest.raises(BboxError, match="apt-get install qemu-system-common") as caught:
        await find_share_program("/nonexistent")
    assert caught.value.code is ErrorCode.DEPENDENCY_MISSING


def words(dialect: Dialect, access: Access, directory: str = "/a") -> list[str]:
    return list(ShareProgram(path="v", dialect=dialect).argv(7, Path(directory), access))


def test_debians_daemon_gets_its_options() -> None:
    assert words(Dialect.C, Access.READ) == ["v", "--fd=7", "-o", "source=/a,cache=always", "-f"]
    assert "xattr" in words(Dialect.C, Access.WRITE)[3].split(",")


def test_what_the_user_changes_is_seen_in_a_direct_share() -> None:
    assert words(Dialect.C, Access.DIRECT)[3] == "source=/a,cache=auto"
    assert "--cache=auto" in words(Dialect.RUST, Access.DIRECT)


def test_a_comma_in_a_path_is_no_option() -> None:
    assert words(Dialect.C, Access.READ, "/a,rw\\b")[3] == "source=/a\\,rw\\\\b,cache=always"


def test_the_other_daemon_gets_its_own_options() -> None:
    assert words(Dialect.RUST, Access.READ)[1:4] == ["--fd=7", "--shared-dir=/a", "--cache=always"]
    assert "--xattr" in words(Dialect.RUST, Access.WRITE)
    assert "--xattr" not in words(Dialect.RUST, Access.READ)


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("virtiofsd version 7.2.22 (Debian 1:7.2)", Dialect.C),
        ("setgroups() failed with error=1:Operation not permitted", Dialect.C),
        ("virtiofsd 1.13.2", Dialect.RUST),
        ("virtiofsd backend 1.1.0", Dialect.RUST),
    ],
)
async def test_the_daemons_tell_themselves_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, dialect: Dialect
) -> None:
    program = tmp_path / "virtiofsd"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    monkeypatch.setattr("bbox_server.infra.qemu.share.PLACES", ())
    assert (await find_share_program(str(tmp_path))).dialect is dialect
