# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import PullPolicy, parse_reference
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.images.squashfs import SquashfsWriter
from bbox_server.infra.images.store import SquashfsImageStore
from bbox_server.infra.process.programs import find_program
from bbox_server.infra.process.sandbox_user import SandboxUser
from tests.infra.images import oci

TAG = parse_reference("example.com/codex")


@pytest.fixture
def store(tmp_path: Path) -> SquashfsImageStore:
    return SquashfsImageStore(root=tmp_path / "images", architecture="amd64")


def layout(root: Path, *layers: bytes) -> HostPath:
    return HostPath(str(oci.LayoutWriter(root).image(*layers)))


def unpacked(image: str, *words: str) -> bytes:
    return _run("rdsquashfs", *words, image)


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def remove(path: str) -> None:
    Path(path).unlink()


def status(path: str) -> tuple[int, int]:
    """Mode and owner."""
    found = Path(path).stat()
    return stat.S_IMODE(found.st_mode), found.st_uid


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    path.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path))
    try:
        yield path
    finally:
        _run("umount", str(path))


def _run(*words: str) -> bytes:
    program = find_program(words[0])
    done = subprocess.run([program, *words[1:]], check=True, capture_output=True)
    return done.stdout


async def test_the_file_has_what_the_layers_have(store: SquashfsImageStore, tmp_path: Path) -> None:
    lower = oci.tar(oci.member("a", b"1"), oci.member("gone"), oci.symlink("l", "a"))
    upper = oci.tar(oci.member(".wh.gone"), oci.member("d/" + "n" * 200, b"2", mode=0o4755))

    root = await store.import_layout(layout(tmp_path / "oci", lower, upper))

    described = unpacked(root.path, "--describe").decode()
    assert "gone" not in described
    assert f"file d/{'n' * 200} 04755 0 0" in described
    assert "slink l 0777 0 0 a" in described
    assert unpacked(root.path, "--cat", "a") == b"1"


async def test_names_that_are_no_text_and_attributes_survive(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    odd = oci.member("x" * 120 + "\udce9\n", b"odd", pax={"SCHILY.xattr.user.k": "v"})

    root = await store.import_layout(layout(tmp_path / "oci", oci.tar(odd)))

    target = tmp_path / "unpacked"
    unpacked(
        root.path, "--quiet", "--set-xattr", "--unpack-root", str(target), "--unpack-path", "/"
    )
    (path,) = target.iterdir()
    assert os.fsencode(path.name) == b"x" * 120 + b"\xe9\n"
    assert os.getxattr(path, "user.k") == b"v"


async def test_the_same_image_is_the_same_file(tmp_path: Path) -> None:
    source = layout(tmp_path / "oci", oci.tar(*(oci.member(f"f{i}", b"x" * i) for i in range(99))))
    stores = [SquashfsImageStore(root=tmp_path / name, architecture="amd64") for name in "ab"]

    first, second = [await each.import_layout(source) for each in stores]

    assert content(first.path) == content(second.path)


async def test_everybody_may_read_and_nobody_may_write(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    root = await store.import_layout(layout(tmp_path / "oci", oci.tar(oci.member("a"))))

    assert status(root.path) == (0o444, os.geteuid())
    assert status(str(store.root / root.digest)) == (0o755, os.geteuid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_the_converter_runs_as_the_sandbox_user_in_a_closed_directory(tmp_path: Path) -> None:
    writer = SquashfsWriter(user=SandboxUser(uid=64998, gid=64998))
    store = SquashfsImageStore(root=tmp_path / "images", writer=writer, architecture="amd64")
    assert status(str(tmp_path)) == (0o700, 0)

    root = await store.import_layout(layout(tmp_path / "oci", oci.tar(oci.member("a", b"1"))))

    assert unpacked(root.path, "--cat", "a") == b"1"
    assert status(root.path) == (0o444, 0)


async def test_a_corrupt_layer_leaves_nothing(store: SquashfsImageStore, tmp_path: Path) -> None:
    writer = oci.LayoutWriter(tmp_path / "oci")
    layer = writer.layer(oci.tar(oci.member("a", bytes(10**6))))
    source = writer.index(writer.manifest(layer))
    blob = source / "blobs" / "sha256" / str(layer["digest"]).removeprefix("sha256:")
    blob.write_bytes(oci.tar(oci.member("a", b"\1" + bytes(10**6 - 1))))

    with pytest.raises(BboxError) as caught:
        await store.import_layout(HostPath(str(source)), TAG)

    assert caught.value.code is ErrorCode.IMAGE_CORRUPT
    assert list(store.root.iterdir()) == []


async def test_a_conversion_that_is_cancelled_leaves_nothing(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    members = [oci.member(f"f{i}", os.urandom(10**6)) for i in range(40)]
    source = layout(tmp_path / "oci", oci.tar(*members))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await store.import_layout(source)

    assert list(store.root.iterdir()) == []


async def test_what_a_killed_conversion_left_is_swept(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    left = store.root / ".new-left"
    left.mkdir(parents=True)
    (left / "root.sqfs").write_bytes(b"half")

    root = await store.import_layout(layout(tmp_path / "oci", oci.tar(oci.member("a"))))

    assert [path.name for path in store.root.iterdir()] == [root.digest]


async def test_two_conversions_of_one_image_at_once_agree(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    source = layout(tmp_path / "oci", oci.tar(oci.member("a", os.urandom(10**6))))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(store.import_layout(source)) for _ in range(3)]

    assert len({task.result().path for task in tasks}) == 1
    assert [path.name for path in store.root.iterdir()] == [tasks[0].result().digest]


async def test_a_file_that_was_cut_is_corrupt_and_made_again(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    source = layout(tmp_path / "oci", oci.tar(oci.member("a", b"1")))
    root = await store.import_layout(source, TAG)
    remove(root.path)

    with pytest.raises(BboxError) as caught:
        await store.resolve(TAG)
    again = await store.import_layout(source, TAG)

    assert caught.value.code is ErrorCode.IMAGE_CORRUPT
    assert unpacked(again.path, "--cat", "a") == b"1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
async def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    source = layout(tmp_path / "oci", oci.tar(oci.member("a", os.urandom(4 * 10**6))))
    with small_disk(tmp_path / "small") as small:
        store = SquashfsImageStore(root=small / "images", architecture="amd64")
        with pytest.raises(BboxError) as caught:
            await store.import_layout(source)
        left = list(store.root.iterdir())

    assert caught.value.code is ErrorCode.DISK_FULL
    assert left == []


async def test_a_store_that_asks_no_registry_says_so(store: SquashfsImageStore) -> None:
    with pytest.raises(BboxError) as caught:
        await store.resolve(TAG, PullPolicy.ALWAYS)

    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND


async def test_names_of_the_first_version_are_builds(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    root = await store.import_layout(layout(tmp_path / "oci", oci.tar(oci.member("a"))), TAG)
    (file,) = (store.root / "refs").iterdir()
    file.chmod(0o644)
    file.write_text(json.dumps({"reference": str(TAG), "digest": root.digest}))

    (listed,) = await store.list()

    assert (listed.references, listed.is_built) == ((TAG,), True)


async def test_a_long_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bbox_server.infra.images.meter._TELL_S", 0.001)
    told: list[str] = []
    store = SquashfsImageStore(root=tmp_path / "images", architecture="amd64", progress=told.append)

    await store.import_layout(
        layout(tmp_path / "oci", oci.tar(oci.member("a", os.urandom(8 * 10**6))))
    )

    assert told
    assert all(re.fullmatch(r"Unpacking: \d+ of 16 MB", text) for text in told)
