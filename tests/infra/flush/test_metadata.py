# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.flush import FlushReport
from bbox_server.domain.plan import Wanted
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.workspace.present import DiskWorkspace
from tests.infra.flush.ground import DIRECTORY, Contents, Ground, file, link, wanted

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners are root's to give")

# A POSIX ACL as the kernel stores it: user::rw-, user:12345:rw-, group::r--, mask::rw-, other::---
ACL = bytes.fromhex(
    "02000000 01000600ffffffff 0200060039300000 04000400ffffffff 10000600ffffffff 20000000ffffffff"
)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    made = Ground(workspace=tmp_path / "workspace", session=tmp_path / "session")
    made.workspace.mkdir()
    made.session.mkdir()
    (made.workspace / "f").write_bytes(b"old\n")
    return made


@pytest.fixture
def umask() -> Iterator[Callable[[int], None]]:
    before = os.umask(0o022)
    yield lambda mask: (os.umask(mask), None)[1]
    os.umask(before)


def found_below(directory: Path) -> str:
    words = ["find", ".", "-name", "x"]
    found = subprocess.run(words, cwd=directory, capture_output=True, check=True)
    return found.stdout.decode().strip()


async def flush(ground: Ground, *items: Wanted, contents: Contents) -> FlushReport:
    report = await ground.flush(items, contents)
    assert report.failed == ()
    return report


async def digest_now(ground: Ground, name: str) -> Digest | None:
    files = DiskWorkspace(workspace=HostPath(str(ground.workspace)))
    path = PurePosixPath(name)
    return (await files.observe([path]))[path].digest


async def change(ground: Ground) -> FlushReport:
    contents = Contents()
    return await flush(
        ground, wanted("f", file(b"old\n"), contents.add(b"new\n")), contents=contents
    )


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o444, 0o664])
async def test_a_changed_file_keeps_its_mode(ground: Ground, mode: int) -> None:
    (ground.workspace / "f").chmod(mode)

    await change(ground)

    assert (ground.workspace / "f").stat().st_mode & 0o7777 == mode


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644, 0o6711])
async def test_setuid_setgid_and_sticky_bits_are_never_written(ground: Ground, mode: int) -> None:
    (ground.workspace / "f").chmod(mode)

    await change(ground)

    assert (ground.workspace / "f").stat().st_mode & 0o7777 == mode & 0o777


@pytest.mark.parametrize(
    ("agents", "mask", "expected"),
    [(0o644, 0o022, 0o644), (0o4755, 0o022, 0o755), (0o777, 0o077, 0o700), (0o600, 0o022, 0o600),
     (0o666, 0o002, 0o664), (0o000, 0o022, 0o600)],
)  # fmt: skip
async def test_a_new_file_has_the_agents_mode_under_the_umask(
    ground: Ground, umask: Callable[[int], None], agents: int, mask: int, expected: int
) -> None:
    umask(mask)
    contents = Contents()

    await flush(ground, wanted("new", None, contents.add(b"x", agents)), contents=contents)

    assert (ground.workspace / "new").stat().st_mode & 0o7777 == expected


async def test_new_directories_have_the_usual_mode(
    ground: Ground, umask: Callable[[int], None]
) -> None:
    umask(0o022)
    contents = Contents()

    await flush(ground, wanted("a/b/new", None, contents.add(b"x")), contents=contents)

    assert (ground.workspace / "a").stat().st_mode & 0o7777 == 0o755


async def test_extended_attributes_and_acls_are_kept(ground: Ground) -> None:
    target = ground.workspace / "f"
    os.setxattr(target, "user.mine", b"kept")
    try:
        os.setxattr(target, "system.posix_acl_access", ACL)
    except OSError:
        pytest.skip("this file system has no ACLs")

    await change(ground)

    assert target.read_bytes() == b"new\n"
    assert os.getxattr(target, "user.mine") == b"kept"
    assert os.getxattr(target, "system.posix_acl_access") == ACL


@as_root
async def test_a_replaced_file_keeps_its_owner_and_group(ground: Ground) -> None:
    os.chown(ground.workspace / "f", 12345, 23456)

    await change(ground)

    status = (ground.workspace / "f").stat()
    assert (status.st_uid, status.st_gid) == (12345, 23456)


@as_root
async def test_as_root_new_files_belong_to_the_owner_of_their_directory(ground: Ground) -> None:
    os.chown(ground.workspace, 12345, 23456)
    contents = Contents()

    await flush(
        ground,
        wanted("new", None, contents.add(b"x")),
        wanted("a/b/deep", None, contents.add(b"y")),
        wanted("f", file(b"old\n"), DIRECTORY),
        wanted("f/child", None, contents.add(b"z")),
        contents=contents,
    )

    for name in ("new", "a", "a/b", "a/b/deep", "f/child"):
        status = (ground.workspace / name).stat()
        assert (name, status.st_uid, status.st_gid) == (name, 12345, 23456)


@as_root
async def test_file_capabilities_are_not_carried_to_another_content(ground: Ground) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    try:
        os.setxattr(ground.workspace / "f", "security.capability", capability)
    except OSError:
        pytest.skip("this file system has no capabilities")

    await change(ground)

    assert "security.capability" not in os.listxattr(ground.workspace / "f")


async def test_an_undo_restores_mode_times_and_attributes(ground: Ground) -> None:
    target = ground.workspace / "f"
    target.chmod(0o640)
    os.setxattr(target, "user.mine", b"kept")
    os.utime(target, ns=(1_000_000_000, 2_000_000_000))
    report = await change(ground)

    await ground.undo(report.flush)

    status = target.stat()
    assert target.read_bytes() == b"old\n"
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (0o640, 2_000_000_000)
    assert os.getxattr(target, "user.mine") == b"kept"


async def test_an_undo_restores_the_mode_of_a_directory(
    ground: Ground, umask: Callable[[int], None]
) -> None:
    umask(0o077)
    for name in ("gone", "replaced"):
        (ground.workspace / name).mkdir()
        (ground.workspace / name).chmod(0o775)
    contents = Contents()
    report = await flush(
        ground,
        wanted("gone", DIRECTORY, None),
        wanted("replaced", DIRECTORY, contents.add(b"a file\n")),
        contents=contents,
    )

    await ground.undo(report.flush)

    modes = [(ground.workspace / name).stat().st_mode & 0o7777 for name in ("gone", "replaced")]
    assert modes == [0o775, 0o775]


async def test_a_sparse_file_is_kept_and_restored_with_its_holes(ground: Ground) -> None:
    target = ground.workspace / "sparse"
    with target.open("wb") as sparse:
        sparse.seek(200 << 20)
        sparse.write(b"end")
    base = replace(file(b""), digest=await digest_now(ground, "sparse"))
    report = await flush(ground, wanted("sparse", base, None), contents=Contents())
    assert not target.exists()

    await ground.undo(report.flush)

    status = target.stat()
    assert status.st_size == (200 << 20) + 3
    assert status.st_blocks * 512 < 1 << 20


async def test_other_names_of_a_hard_linked_file_keep_the_old_content(ground: Ground) -> None:
    os.link(ground.workspace / "f", ground.workspace / "other")
    contents = Contents()
    items = (wanted("f", file(b"old\n"), contents.add(b"new\n")),)

    plan = await ground.plan(items)
    await ground.flush(items, contents)

    assert [str(path) for path in plan.hard_linked] == ["f"]
    assert (ground.workspace / "other").read_bytes() == b"old\n"
    assert (ground.workspace / "f").read_bytes() == b"new\n"


async def test_names_that_are_no_text_are_flushed_and_undone(ground: Ground) -> None:
    names = [os.fsdecode(name) for name in (b"new\nline", b"\xff\xfe", "é".encode(), b"a" * 255)]
    contents = Contents()
    added = [wanted(name, None, contents.add(name.encode("utf-8", "replace"))) for name in names]

    report = await flush(ground, *added, contents=contents)

    assert {path.name for path in ground.workspace.iterdir()} == {*names, "f"}
    await ground.undo(report.flush)
    assert {path.name for path in ground.workspace.iterdir()} == {"f"}


async def test_a_deep_tree_is_flushed(ground: Ground) -> None:
    name = "/".join(["deep"] * 900)
    contents = Contents()

    await flush(ground, wanted(f"{name}/x", None, contents.add(b"x")), contents=contents)

    assert found_below(ground.workspace) == f"./{name}/x"


async def test_a_large_file_is_written_in_chunks(ground: Ground) -> None:
    content = os.urandom(9 << 20)
    contents = Contents()

    await flush(ground, wanted("large", None, contents.add(content)), contents=contents)

    assert (ground.workspace / "large").read_bytes() == content


async def test_a_link_is_written_as_it_is(ground: Ground) -> None:
    await flush(ground, wanted("link", None, link("f")), contents=Contents())

    assert str((ground.workspace / "link").readlink()) == "f"
    assert not os.listxattr(ground.workspace / "link", follow_symlinks=False)
