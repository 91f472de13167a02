# SPDX-License-Identifier: Apache-2.0
"""What every image store keeps to."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import (
    ImageConfig,
    ImageReference,
    ImageStore,
    PullPolicy,
    RootFilesystem,
    parse_reference,
)
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.images.store import SquashfsImageStore
from tests.fakes.image import FakeImageStore
from tests.infra.images import oci

CODEX = parse_reference("example.com/codex")


@dataclass(frozen=True)
class Setting:
    """A store, and what makes a layout whose one file has the text given."""

    store: ImageStore
    layout: Callable[[str], HostPath]


@pytest.fixture(params=["fake", "disk"])
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Setting:
    if request.param == "fake":
        return _fake()
    return Setting(
        store=SquashfsImageStore(root=tmp_path / "images", architecture="amd64"),
        layout=lambda text: _disk_layout(tmp_path / text, text),
    )


def _fake() -> Setting:
    store = FakeImageStore()

    def layout(text: str) -> HostPath:
        path = HostPath(f"/layouts/{text}")
        digest = Digest(hashlib.sha256(text.encode()).hexdigest())
        config = ImageConfig(env={"TEXT": text})
        store.layouts[path] = RootFilesystem(path=path, digest=digest, config=config)
        return path

    return Setting(store=store, layout=layout)


def _disk_layout(root: Path, text: str) -> HostPath:
    writer = oci.LayoutWriter(root, config={"Env": [f"TEXT={text}"]})
    return HostPath(str(writer.image(oci.tar(oci.member("file", text.encode())))))


async def test_a_tag_resolves_to_what_was_imported_under_it(setting: Setting) -> None:
    imported = await setting.store.import_layout(setting.layout("one"), CODEX)

    assert await setting.store.resolve(CODEX) == imported
    assert imported.config.env == {"TEXT": "one"}


async def test_a_tag_moves_to_what_was_imported_last(setting: Setting) -> None:
    await setting.store.import_layout(setting.layout("one"), CODEX)
    second = await setting.store.import_layout(setting.layout("two"), CODEX)

    assert await setting.store.resolve(CODEX) == second


async def test_a_digest_resolves_whatever_the_name(setting: Setting) -> None:
    imported = await setting.store.import_layout(setting.layout("one"))
    reference = parse_reference(f"example.com/other@sha256:{imported.digest}")

    assert await setting.store.resolve(reference) == imported


async def test_an_unknown_name_is_not_found_and_says_what_to_do(setting: Setting) -> None:
    with pytest.raises(BboxError) as caught:
        await setting.store.resolve(CODEX)

    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert "make image-" in caught.value.remediation


async def test_a_layout_resolves_by_its_directory(setting: Setting) -> None:
    layout = setting.layout("one")

    root = await setting.store.resolve(parse_reference(f"oci:{layout}"))

    assert root.config.env == {"TEXT": "one"}


async def test_a_directory_without_a_layout_is_not_found(setting: Setting) -> None:
    with pytest.raises(BboxError) as caught:
        await setting.store.resolve(parse_reference("oci:/nowhere/at/all"))

    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND


async def test_the_list_has_every_image_with_its_tags(setting: Setting) -> None:
    one = await setting.store.import_layout(setting.layout("one"), CODEX)
    two = await setting.store.import_layout(setting.layout("two"))

    listed = await setting.store.list()

    assert {image.root.digest: image.references for image in listed} == {
        one.digest: (CODEX,),
        two.digest: (),
    }


async def test_a_listed_image_is_collected_with_its_names(setting: Setting) -> None:
    await setting.store.import_layout(setting.layout("one"), CODEX)
    two = await setting.store.import_layout(setting.layout("two"))
    (one,) = [image for image in await setting.store.list() if image.references]

    removed = await setting.store.collect((one,))

    assert removed == (one.root.digest,)
    assert [image.root for image in await setting.store.list()] == [two]
    with pytest.raises(BboxError):
        await setting.store.resolve(CODEX, PullPolicy.NEVER)


async def test_what_was_used_since_it_was_listed_is_not_collected(setting: Setting) -> None:
    root = await setting.store.import_layout(setting.layout("one"))
    listed = await setting.store.list()
    await setting.store.resolve(by_digest(root))

    assert await setting.store.collect(listed) == ()


async def test_what_was_named_since_it_was_listed_is_not_collected(setting: Setting) -> None:
    await setting.store.import_layout(setting.layout("one"))
    listed = await setting.store.list()
    await setting.store.import_layout(setting.layout("one"), CODEX)

    assert await setting.store.collect(listed) == ()


async def test_a_name_given_here_is_a_builds(setting: Setting) -> None:
    await setting.store.import_layout(setting.layout("one"), CODEX)
    await setting.store.import_layout(setting.layout("two"))

    listed = await setting.store.list()

    assert {image.references: image.is_built for image in listed} == {(CODEX,): True, (): False}


def by_digest(root: RootFilesystem) -> ImageReference:
    return parse_reference(f"example.com/any@sha256:{root.digest}")
