# SPDX-License-Identifier: Apache-2.0
"""What of the images' cache goes, and what stays (compat CLI-20, CLI-60)."""

from dataclasses import dataclass, field

import pytest

from bbox_server.application.tend_cache import DAY_S, TendCache
from bbox_server.domain.image import (
    ImageConfig,
    ImageReference,
    PullPolicy,
    RootFilesystem,
    parse_reference,
)
from bbox_server.domain.workspace import Digest, HostPath
from tests.fakes.image import FakeImageStore, MemoryLayers
from tests.fakes.session import FakeClock

NOW_NS = int(FakeClock().now() * 10**9)
DAY_NS = DAY_S * 10**9
PULLED = parse_reference("example.com/pulled")
BUILT = parse_reference("example.com/built")


@dataclass
class Setting:
    """A cache; ages are in days."""

    images: FakeImageStore = field(default_factory=FakeImageStore)
    layers: MemoryLayers = field(default_factory=MemoryLayers)

    @property
    def tend(self) -> TendCache:
        return TendCache(images=self.images, layers=self.layers, clock=FakeClock())

    async def pulled(self, age: float, name: ImageReference = PULLED) -> Digest:
        root = _root(str(name))
        self.images.registry[name] = root
        await self.images.resolve(name, PullPolicy.ALWAYS)
        return self._aged(root, age)

    async def built(self, age: float) -> Digest:
        return await self._imported(BUILT, age)

    async def nameless(self, age: float) -> Digest:
        return await self._imported(None, age)

    async def _imported(self, tag: ImageReference | None, age: float) -> Digest:
        root = _root(str(tag))
        self.images.layouts[root.path] = root
        await self.images.import_layout(root.path, tag)
        return self._aged(root, age)

    def _aged(self, root: RootFilesystem, age: float) -> Digest:
        self.images._used_ns[root.digest] = NOW_NS - int(age * DAY_NS)
        return root.digest

    async def left(self) -> set[Digest]:
        return {image.root.digest for image in await self.images.list()}


def _root(text: str) -> RootFilesystem:
    digest = Digest(text.encode().hex().ljust(64, "0")[:64])
    return RootFilesystem(path=HostPath(f"/{text}"), digest=digest, config=ImageConfig())


@pytest.mark.parametrize(("age", "stays"), [(6, True), (8, False)])
async def test_what_was_pulled_goes_when_nobody_used_it_for_a_week(
    age: float, *, stays: bool
) -> None:
    setting = Setting()
    digest = await setting.pulled(age)

    await setting.tend.evict()

    assert (digest in await setting.left()) is stays


async def test_what_was_built_here_stays_for_ever() -> None:
    setting = Setting()
    digest = await setting.built(400)

    await setting.tend.evict()
    await setting.tend.collect()

    assert await setting.left() == {digest}


async def test_what_has_no_name_goes_at_once_when_asked_for_and_not_by_itself() -> None:
    setting = Setting()
    digest = await setting.nameless(1)

    await setting.tend.evict()
    by_itself = await setting.left()
    freed = await setting.tend.collect()

    assert by_itself == {digest}
    assert [image.root.digest for image in freed.images] == [digest]


async def test_what_a_run_has_just_found_stays() -> None:
    setting = Setting()
    digest = await setting.nameless(0)

    await setting.tend.collect()

    assert await setting.left() == {digest}


async def test_a_plan_removes_nothing() -> None:
    setting = Setting()
    digest = await setting.pulled(8)

    assert [image.root.digest for image in await setting.tend.plan()] == [digest]
    assert await setting.left() == {digest}


async def test_cleaning_takes_the_layers_and_no_image() -> None:
    setting = Setting()
    digest = await setting.pulled(8)
    setting.layers.layers = {NOW_NS - 1: 5}

    freed = await setting.tend.clean()

    assert (freed.layers_bytes, freed.images) == (5, ())
    assert await setting.left() == {digest}


async def test_a_purge_takes_everything() -> None:
    setting = Setting()
    await setting.built(0)
    await setting.pulled(0)
    setting.layers.layers = {NOW_NS - 1: 5}

    freed = await setting.tend.purge()

    assert freed.size_bytes == 7
    assert await setting.left() == set()
    assert setting.layers.size_bytes() == 0


async def test_what_was_used_last_is_listed_first() -> None:
    setting = Setting()
    old, new = await setting.built(3), await setting.pulled(1)

    assert [image.root.digest for image in await setting.tend.list()] == [new, old]
