# SPDX-License-Identifier: Apache-2.0
"""Keep the images' cache small: what is there, and what of it goes (compat CLI-20, CLI-60)."""

from dataclasses import dataclass
from typing import Final

from bbox_server.domain.clock import Clock
from bbox_server.domain.image import ImageStore, LayerCache, StoredImage, stale_images
from bbox_server.domain.workspace import Digest

KEEP_DAYS: Final = 7
DAY_S: Final = 86400
# A run that has found its image, and has not started its guest yet, still wants it.
JUST_NOW_S: Final = 600
_NS: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What went, or would go."""

    images: tuple[StoredImage, ...] = ()
    layers_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return self.layers_bytes + sum(image.size_bytes for image in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class TendCache:
    """Root filesystems and layers. A guest that runs keeps its own until it ends.

    What was built on this machine goes with `purge` alone: nothing would bring it back.
    """

    images: ImageStore
    layers: LayerCache
    clock: Clock

    async def list(self) -> tuple[StoredImage, ...]:
        """What was used last comes first."""
        return tuple(sorted(await self.images.list(), key=lambda image: -image.used_ns))

    async def plan(self) -> tuple[StoredImage, ...]:
        """The images that `collect` would remove."""
        return stale_images(
            await self.images.list(),
            unused_since_ns=self._ago_ns(KEEP_DAYS * DAY_S),
            nameless_since_ns=self._ago_ns(JUST_NOW_S),
        )

    async def collect(self) -> Freed:
        """Remove images without a name, and what nobody used for a week."""
        return await self._remove(await self.plan(), self._ago_ns(KEEP_DAYS * DAY_S))

    async def evict(self) -> Freed:
        """What each run does: remove what nobody used for a week."""
        oldest = self._ago_ns(KEEP_DAYS * DAY_S)
        images = stale_images(
            await self.images.list(), unused_since_ns=oldest, nameless_since_ns=oldest
        )
        return await self._remove(images, oldest)

    async def clean(self) -> Freed:
        """Remove layers alone: all images go on to work."""
        return await self._remove((), self._ago_ns(0))

    async def purge(self) -> Freed:
        """Remove everything."""
        return await self._remove(await self.images.list(), self._ago_ns(0))

    async def _remove(self, images: tuple[StoredImage, ...], layers_since_ns: int) -> Freed:
        gone: frozenset[Digest] = frozenset(await self.images.collect(images))
        return Freed(
            images=tuple(image for image in images if image.root.digest in gone),
            layers_bytes=self.layers.remove(layers_since_ns),
        )

    def _ago_ns(self, seconds: int) -> int:
        return int((self.clock.now() - seconds) * _NS)
