# SPDX-License-Identifier: Apache-2.0
import asyncio
import gzip
import hashlib
import json
import os
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import parse_reference
from bbox_server.infra.images.docker_archive import DockerArchive
from bbox_server.infra.images.entry import Limits
from bbox_server.infra.images.manifest import Compression
from bbox_server.infra.images.meter import Meter
from bbox_server.infra.images.store import SquashfsImageStore
from bbox_server.infra.process.programs import find_program
from tests.infra.images import oci

Member = tuple[tarfile.TarInfo, bytes]
LAYER = oci.tar(oci.member("a", b"1"))


@dataclass
class Saved:
    """What `docker save` would write; a test changes any of it."""

    layers: tuple[bytes, ...] = (LAYER,)
    names: tuple[str, ...] = ("one/layer.tar",)
    config: dict[str, Any] = field(default_factory=dict)
    members: list[Member] = field(default_factory=list)
    images: Any = field(default_factory=list)

    def __post_init__(self) -> None:
        digests = [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in self.layers]
        self.config = {
            "os": "linux",
            "architecture": "amd64",
            "config": {"Cmd": ["/bin/a"]},
            "rootfs": {"type": "layers", "diff_ids": digests},
            **self.config,
        }
        pairs = zip(self.names, self.layers, strict=True)
        self.members = [oci.member(name, layer) for name, layer in pairs]
        self.images = [{"Config": "config.json", "Layers": list(self.names), "RepoTags": None}]

    def write(self, path: Path) -> Path:
        # Docker writes the manifest last.
        documents = [
            oci.member("config.json", json.dumps(self.config).encode()),
            oci.member("manifest.json", json.dumps(self.images).encode()),
        ]
        path.write_bytes(oci.tar(*self.members, *documents))
        return path


@pytest.fixture
def store(tmp_path: Path) -> SquashfsImageStore:
    return SquashfsImageStore(root=tmp_path / "images", architecture="amd64")


async def refusal(store: SquashfsImageStore, path: Path) -> BboxError:
    with pytest.raises(BboxError) as caught:
        await store.resolve(parse_reference(f"docker-archive:{path}"))
    left = list(store.root.iterdir()) if store.root.is_dir() else []
    assert left == []
    return caught.value


def inode(path: str) -> int:
    return Path(path).stat().st_ino


def content(path: str, name: str) -> bytes:
    words = [find_program("rdsquashfs"), "--cat", name, path]
    return subprocess.run(words, check=True, capture_output=True).stdout


async def test_an_archive_is_an_image(store: SquashfsImageStore, tmp_path: Path) -> None:
    saved = Saved(
        layers=(LAYER, oci.tar(oci.member("a", b"2"))), names=("one/layer.tar", "two/layer.tar")
    )

    root = await store.resolve(
        parse_reference(f"docker-archive:{saved.write(tmp_path / 'saved.tar')}")
    )

    assert content(root.path, "a") == b"2"
    assert root.config.cmd == ("/bin/a",)
    assert root.digest == hashlib.sha256(json.dumps(saved.config).encode()).hexdigest()
    assert [path.name for path in store.root.iterdir()] == [root.digest]


@pytest.mark.parametrize("outer", Compression)
@pytest.mark.parametrize("inner", Compression)
async def test_archive_and_layers_may_be_compressed(
    store: SquashfsImageStore, tmp_path: Path, outer: Compression, inner: Compression
) -> None:
    saved = Saved()
    saved.members = [oci.member("one/layer.tar", oci.compress(LAYER, inner))]
    path = saved.write(tmp_path / "saved.tar")
    path.write_bytes(oci.compress(path.read_bytes(), outer))

    root = await store.resolve(parse_reference(f"docker-archive:{path}"))

    assert content(root.path, "a") == b"1"


@pytest.mark.parametrize(
    "link",
    [
        oci.symlink("two/layer.tar", "../one/layer.tar"),
        oci.hardlink("two/layer.tar", "one/layer.tar"),
    ],
)
async def test_a_layer_that_is_there_twice_may_be_a_link(
    store: SquashfsImageStore, tmp_path: Path, link: Member
) -> None:
    saved = Saved(layers=(LAYER, LAYER), names=("one/layer.tar", "two/layer.tar"))
    saved.members[1] = link

    root = await store.resolve(
        parse_reference(f"docker-archive:{saved.write(tmp_path / 'saved.tar')}")
    )

    assert content(root.path, "a") == b"1"


async def test_an_archive_that_is_here_is_not_unpacked_again(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    reference = parse_reference(f"docker-archive:{Saved().write(tmp_path / 'saved.tar')}")
    root = await store.resolve(reference)
    before = inode(root.path)

    assert inode((await store.resolve(reference)).path) == before


async def test_a_layer_of_another_digest_is_corrupt(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    saved = Saved()
    saved.members = [oci.member("one/layer.tar", oci.tar(oci.member("a", b"evil")))]

    error = await refusal(store, saved.write(tmp_path / "saved.tar"))

    assert error.code is ErrorCode.IMAGE_CORRUPT


async def test_several_images_are_refused(store: SquashfsImageStore, tmp_path: Path) -> None:
    saved = Saved()
    saved.images *= 2

    error = await refusal(store, saved.write(tmp_path / "saved.tar"))

    assert error.code is ErrorCode.IMAGE_UNSUPPORTED


async def test_another_platforms_archive_is_refused(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    saved = Saved(config={"architecture": "arm64"})

    error = await refusal(store, saved.write(tmp_path / "saved.tar"))

    assert error.code is ErrorCode.IMAGE_UNSUPPORTED


@pytest.mark.parametrize(
    "change",
    [
        {"Config": "../config.json"},
        {"Config": "none.json"},
        {"Layers": ["../../etc/passwd"]},
        {"Layers": ["nowhere"]},
        {"Layers": []},
        {"Layers": 1},
    ],
)
async def test_documents_that_lead_nowhere_are_corrupt(
    store: SquashfsImageStore, tmp_path: Path, change: dict[str, Any]
) -> None:
    saved = Saved()
    saved.images[0].update(change)

    error = await refusal(store, saved.write(tmp_path / "saved.tar"))

    assert error.code is ErrorCode.IMAGE_CORRUPT


async def test_a_file_that_is_not_there_is_not_found(store: SquashfsImageStore) -> None:
    error = await refusal(store, Path("/nowhere/at/all.tar"))

    assert error.code is ErrorCode.IMAGE_NOT_FOUND


async def test_a_bomb_in_a_layer_ends_at_the_limit(tmp_path: Path) -> None:
    saved = Saved()
    saved.members = [oci.member("one/layer.tar", gzip.compress(bytes(10**7)))]
    archive = DockerArchive(
        path=saved.write(tmp_path / "saved.tar"), limits=Limits(total_bytes=10**6)
    )

    with pytest.raises(BboxError, match="more bytes"):
        await archive.unpack(tmp_path, "amd64", Meter())

    assert (tmp_path / "layer-0").stat().st_size <= 10**6


async def test_unpacking_that_is_cancelled_leaves_nothing(
    store: SquashfsImageStore, tmp_path: Path
) -> None:
    layer = oci.tar(*(oci.member(f"f{i}", os.urandom(10**6)) for i in range(40)))
    path = Saved(layers=(layer,)).write(tmp_path / "saved.tar")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await store.resolve(parse_reference(f"docker-archive:{path}"))

    assert [each for each in store.root.iterdir() if each.name.startswith(".")] == []


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    images=JSON
    | st.lists(
        st.fixed_dictionaries({}, optional={"Config": st.just("config.json"), "Layers": JSON})
    ),
    rootfs=JSON | st.fixed_dictionaries({"diff_ids": JSON}),
)
def test_any_documents_are_an_image_or_refused(
    tmp_path_factory: pytest.TempPathFactory, images: object, rootfs: object
) -> None:
    saved = Saved(config={"rootfs": rootfs})
    saved.images = images
    path = saved.write(tmp_path_factory.getbasetemp() / "any.tar")
    try:
        DockerArchive(path=path).digest()
    except BboxError as error:
        code: ErrorCode | None = error.code
    else:
        code = None

    assert code in {None, ErrorCode.IMAGE_CORRUPT, ErrorCode.IMAGE_UNSUPPORTED}


@given(st.binary(max_size=2000))
def test_any_bytes_are_an_archive_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-bytes.tar"
    path.write_bytes(data)

    with pytest.raises(BboxError) as caught:
        DockerArchive(path=path).digest()

    assert caught.value.code in {ErrorCode.IMAGE_CORRUPT, ErrorCode.IMAGE_UNSUPPORTED}
