# SPDX-License-Identifier: Apache-2.0
"""An image store in memory."""

from dataclasses import dataclass, field
from itertools import count

from typing_extensions import override

from bbox_server.application.tend_cache import TendCache
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import (
    ImageReference,
    ImageSource,
    ImageStore,
    LayerCache,
    PullPolicy,
    RootFilesystem,
    StoredImage,
)
from bbox_server.domain.workspace import Digest, HostPath
from tests.fakes.session import FakeClock


@dataclass
class FakeImageStore(ImageStore):
    """Takes in what a test put into `layouts` and `registry`; time is a counter.

    Attributes:
        layouts: What a layout directory or an archive holds, as the store would have it.
        registry: What a pull gives.
        refreshed: What was looked after in the background.
    """

    layouts: dict[HostPath, RootFilesystem] = field(default_factory=dict)
    registry: dict[ImageReference, RootFilesystem] = field(default_factory=dict)
    refreshed: list[ImageReference] = field(default_factory=list)
    _images: dict[Digest, RootFilesystem] = field(default_factory=dict)
    _tags: dict[ImageReference, Digest] = field(default_factory=dict)
    _built: set[ImageReference] = field(default_factory=set)
    _used_ns: dict[Digest, int] = field(default_factory=dict)
    _clock: "count[int]" = field(default_factory=lambda: count(1))

    @override
    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        if reference.source is not ImageSource.REGISTRY:
            root = await self.import_layout(reference.path)
        else:
            root = self._resolve_name(reference, policy)
        self._used_ns[root.digest] = next(self._clock)
        return root

    def _resolve_name(self, reference: ImageReference, policy: PullPolicy) -> RootFilesystem:
        digest = self._tags.get(reference, reference.digest)
        here = self._images.get(digest) if digest else None
        asks = policy is PullPolicy.ALWAYS and reference.digest is None
        if policy is not PullPolicy.NEVER and (here is None or asks):
            return self._pull(reference)
        if here is None:
            raise _not_found(str(reference))
        if policy is PullPolicy.BACKGROUND and reference not in self._built:
            self.refreshed.append(reference)
        return here

    def _pull(self, reference: ImageReference) -> RootFilesystem:
        if reference not in self.registry:
            raise _not_found(str(reference))
        root = self.registry[reference]
        self._images[root.digest], self._tags[reference] = root, root.digest
        self._built.discard(reference)
        return root

    @override
    async def refetch(self, reference: ImageReference) -> RootFilesystem:
        if reference.source is not ImageSource.REGISTRY:
            return await self.resolve(reference)
        return await self.resolve(reference, PullPolicy.ALWAYS)

    @override
    async def import_layout(
        self, layout: HostPath, tag: ImageReference | None = None
    ) -> RootFilesystem:
        if layout not in self.layouts:
            raise _not_found(layout)
        root = self.layouts[layout]
        self._images[root.digest] = root
        self._used_ns.setdefault(root.digest, next(self._clock))
        if tag is not None:
            self._tags[tag] = root.digest
            self._built.add(tag)
        return root

    @override
    async def list(self) -> tuple[StoredImage, ...]:
        return tuple(self._stored(digest) for digest in sorted(self._images))

    @override
    async def collect(self, images: tuple[StoredImage, ...]) -> tuple[Digest, ...]:
        now = await self.list()
        removed = tuple(image.root.digest for image in images if image in now)
        for digest in removed:
            del self._images[digest]
        for name in [name for name, digest in self._tags.items() if digest in removed]:
            del self._tags[name]
        return removed

    def _stored(self, digest: Digest) -> StoredImage:
        names = [name for name, named in self._tags.items() if named == digest]
        return StoredImage(
            root=self._images[digest],
            references=tuple(sorted(names, key=str)),
            size_bytes=1,
            used_ns=self._used_ns[digest],
            is_built=any(name in self._built for name in names),
        )


def _not_found(name: str) -> BboxError:
    return BboxError(
        ErrorCode.IMAGE_NOT_FOUND,
        cause=f"{name} is not on this machine.",
        remediation="Build it: make image-all.",
    )


@dataclass
class MemoryLayers(LayerCache):
    """Layers in memory: sizes by when they were used."""

    layers: dict[int, int] = field(default_factory=dict)

    @override
    def size_bytes(self) -> int:
        return sum(self.layers.values())

    @override
    def remove(self, unused_since_ns: int) -> int:
        gone = [used_ns for used_ns in self.layers if used_ns < unused_since_ns]
        return sum(self.layers.pop(used_ns) for used_ns in gone)


def memory_cache(images: FakeImageStore | None = None) -> TendCache:
    """A cache with nothing in it but the images given."""
    return TendCache(images=images or FakeImageStore(), layers=MemoryLayers(), clock=FakeClock())
