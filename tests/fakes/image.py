# SPDX-License-Identifier: Apache-2.0
"""An image store in memory."""

from dataclasses import dataclass, field
from itertools import count

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.image import (
    ImageReference,
    ImageSource,
    ImageStore,
    PullPolicy,
    RootFilesystem,
    StoredImage,
)
from bbox_server.domain.workspace import Digest, HostPath


@dataclass
class FakeImageStore(ImageStore):
    """Takes in the layouts that a test put into `layouts`; time is a counter.

    Attributes:
        layouts: What a layout directory holds, as the store would have it.
    """

    layouts: dict[HostPath, RootFilesystem] = field(default_factory=dict)
    _images: dict[Digest, RootFilesystem] = field(default_factory=dict)
    _tags: dict[ImageReference, Digest] = field(default_factory=dict)
    _used_ns: dict[Digest, int] = field(default_factory=dict)
    _clock: "count[int]" = field(default_factory=lambda: count(1))

    @override
    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        if reference.source is not ImageSource.REGISTRY:
            root = await self.import_layout(reference.path)
        else:
            digest = reference.digest or self._tags.get(reference)
            if digest is None or digest not in self._images:
                raise _not_found(str(reference))
            root = self._images[digest]
        self._used_ns[root.digest] = next(self._clock)
        return root

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
        return root

    @override
    async def list(self) -> tuple[StoredImage, ...]:
        return tuple(self._stored(digest) for digest in sorted(self._images))

    @override
    async def collect(self, unused_since_ns: int) -> tuple[Digest, ...]:
        removed = tuple(
            image.root.digest
            for image in await self.list()
            if not image.references and image.used_ns < unused_since_ns
        )
        for digest in removed:
            del self._images[digest]
        return removed

    def _stored(self, digest: Digest) -> StoredImage:
        names = [name for name, named in self._tags.items() if named == digest]
        return StoredImage(
            root=self._images[digest],
            references=tuple(sorted(names, key=str)),
            size_bytes=1,
            used_ns=self._used_ns[digest],
        )


def _not_found(name: str) -> BboxError:
    return BboxError(
        ErrorCode.IMAGE_NOT_FOUND,
        cause=f"{name} is not on this machine.",
        remediation="Build it: make image-all.",
    )
