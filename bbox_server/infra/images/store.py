# SPDX-License-Identifier: Apache-2.0
"""The store of root filesystems: `DIGEST/{root.sqfs,image.json}` and `refs/`."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError
from bbox_server.domain.image import (
    ImageReference,
    ImageSource,
    ImageStore,
    PullPolicy,
    RootFilesystem,
    StoredImage,
)
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.images.docker_archive import DockerArchive
from bbox_server.infra.images.faults import corrupt, disk_full, is_disk_full, not_found
from bbox_server.infra.images.files import locked, new_directory, publish, replace_file
from bbox_server.infra.images.image_config import decode_config, encode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.layer_files import LayerFiles
from bbox_server.infra.images.layout import OciLayout
from bbox_server.infra.images.manifest import OciImage
from bbox_server.infra.images.meter import Meter, told
from bbox_server.infra.images.registry.pull import Registries
from bbox_server.infra.images.squashfs import SquashfsWriter
from bbox_server.infra.images.tags import Tag, Tags

# Changes when the merger makes another file of the same image.
_FORMAT: Final = "1"
_ROOT: Final = "root.sqfs"
_RECORD: Final = "image.json"
_DIGEST_LENGTH: Final = 64

# A registry counts each question against a limit, and images change by the day.
_REFRESH_AFTER_S: Final = 3600

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def host_architecture() -> str:
    """This machine's, in OCI's word for it."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True, slots=True, kw_only=True)
class SquashfsImageStore(ImageStore):
    """Images below one directory. Several processes may use it at the same time.

    Attributes:
        root: CACHE/images; every directory above it must be traversable by the sandbox uid.
        registries: None asks none.
        refresh: Has an image looked after without being waited for.
        progress: Told how far a long step is.
    """

    root: Path
    writer: SquashfsWriter = field(default_factory=SquashfsWriter)
    architecture: str = field(default_factory=host_architecture)
    registries: Registries | None = None
    refresh: Callable[[ImageReference], None] = lambda _: None
    progress: Callable[[str], None] = lambda _: None

    @override
    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        async with told(self.progress) as meter:
            root = await self._resolve(reference, policy, meter)
        self._mark_used(root.digest)
        return root

    @override
    async def refetch(self, reference: ImageReference) -> RootFilesystem:
        async with told(self.progress) as meter:
            root = await self._refetch(reference, meter)
        self._mark_used(root.digest)
        return root

    @override
    async def import_layout(
        self, layout: HostPath, tag: ImageReference | None = None
    ) -> RootFilesystem:
        async with told(self.progress) as meter:
            root = await self._import(layout, meter)
        if tag is not None:
            self._tags.set(Tag(reference=tag, digest=root.digest))
        return root

    @override
    async def list(self) -> tuple[StoredImage, ...]:
        return tuple(sorted(self._images(), key=lambda image: image.root.digest))

    @override
    async def collect(self, images: tuple[StoredImage, ...]) -> tuple[Digest, ...]:
        return await asyncio.to_thread(self._collect, images)

    @property
    def _tags(self) -> Tags:
        return Tags(root=self.root / "refs")

    def _layout(self, path: HostPath) -> OciImage:
        return OciLayout(root=Path(path)).image(self.architecture)

    async def _resolve(
        self, reference: ImageReference, policy: PullPolicy, meter: Meter
    ) -> RootFilesystem:
        match reference.source:
            case ImageSource.OCI_LAYOUT:
                return await self._import(reference.path, meter)
            case ImageSource.DOCKER_ARCHIVE:
                archive = DockerArchive(path=Path(reference.path))
                found = self._sound(await asyncio.to_thread(archive.digest))
                return found or await self._unpack(archive, meter)
            case ImageSource.REGISTRY:
                return await self._resolve_name(reference, policy, meter)

    async def _refetch(self, reference: ImageReference, meter: Meter) -> RootFilesystem:
        match reference.source:
            case ImageSource.OCI_LAYOUT:
                return await self._convert(self._layout(reference.path), meter)
            case ImageSource.DOCKER_ARCHIVE:
                return await self._unpack(DockerArchive(path=Path(reference.path)), meter)
            case ImageSource.REGISTRY:
                return await self._pull_afresh(reference, meter)

    async def _import(self, layout: HostPath, meter: Meter) -> RootFilesystem:
        image = self._layout(layout)
        return self._sound(image.digest) or await self._convert(image, meter)

    async def _unpack(self, archive: DockerArchive, meter: Meter) -> RootFilesystem:
        with self._room() as new:
            image = await archive.unpack(new, self.architecture, meter)
            return await self._convert(image, meter)

    async def _resolve_name(
        self, reference: ImageReference, policy: PullPolicy, meter: Meter
    ) -> RootFilesystem:
        tag = self._tags.find(reference)
        here = self._local(reference, tag)
        if self.registries is None or policy is PullPolicy.NEVER:
            if here is None:
                raise not_found(*_absent(reference))
            return here
        # What a digest names is the same everywhere and always.
        if here is None or (policy is PullPolicy.ALWAYS and reference.digest is None):
            return await self._pull(self.registries, reference, meter)
        if policy is PullPolicy.BACKGROUND and tag is not None and _may_have_moved(tag):
            self.refresh(reference)
        return here

    def _local(self, reference: ImageReference, tag: Tag | None) -> RootFilesystem | None:
        """What is here under a name or a digest. Raises: image.corrupt for what can't be pulled."""
        digest = reference.digest if tag is None else tag.digest
        if digest is None:
            return None
        if self.registries is not None and (tag is None or tag.is_pulled):
            return self._sound(digest)
        return self._stored(digest)

    async def _pull(
        self, registries: Registries, reference: ImageReference, meter: Meter
    ) -> RootFilesystem:
        async with registries.find(reference, self.architecture) as found:
            root = self._sound(found.digest)
            if root is None:
                image = await registries.fetch(found, self.architecture, meter)
                root = await self._convert(image, meter)
        self._name(reference, root.digest)
        return root

    async def _pull_afresh(self, reference: ImageReference, meter: Meter) -> RootFilesystem:
        if self.registries is None:
            raise not_found(*_absent(reference))
        with self._room() as new:
            registries = replace(self.registries, layers=LayerFiles(root=new))
            async with registries.find(reference, self.architecture) as found:
                image = await registries.fetch(found, self.architecture, meter)
            root = await self._convert(image, meter)
        self._name(reference, root.digest)
        return root

    def _name(self, reference: ImageReference, digest: Digest) -> None:
        now = int(time.time())
        self._tags.set(Tag(reference=reference, digest=digest, is_pulled=True, asked_s=now))

    def _mark_used(self, digest: Digest) -> None:
        now = time.time_ns()
        # Somebody else's store can be used without a mark.
        with suppress(PermissionError):
            os.utime(self.root / digest / _RECORD, ns=(now, now))

    def _stored(self, digest: Digest) -> RootFilesystem | None:
        directory = self.root / digest
        with suppress(FileNotFoundError):
            document = (directory / _RECORD).read_bytes()
            record = JsonObject.parse(document, where=f"{digest}/{_RECORD}")
            return _checked(directory, record)
        return None

    def _sound(self, digest: Digest) -> RootFilesystem | None:
        # What is damaged is made again.
        with suppress(BboxError):
            return self._stored(digest)
        return None

    @contextmanager
    def _room(self) -> Iterator[Path]:
        """An empty directory that is gone afterwards."""
        try:
            with new_directory(self.root) as new:
                yield new
        except OSError as error:
            if is_disk_full(error):
                raise disk_full(self.root) from error
            raise

    async def _convert(self, image: OciImage, meter: Meter) -> RootFilesystem:
        with self._room() as new:
            entries = await self.writer.write(image.layers, new / _ROOT, meter)
            _write_record(new, image, entries)
            return self._publish(new, image.digest)

    def _publish(self, new: Path, digest: Digest) -> RootFilesystem:
        final = self.root / digest
        with locked(self.root):
            if self._sound(digest) is None:
                shutil.rmtree(final, ignore_errors=True)
                publish(new, final)
            else:
                # File by file: whoever opens one at this moment has the old or the new one.
                for name in (_ROOT, _RECORD):
                    (new / name).replace(final / name)
            root = self._stored(digest)
        if root is None:
            raise AssertionError(digest)
        return root

    def _collect(self, images: tuple[StoredImage, ...]) -> tuple[Digest, ...]:
        removed = []
        with locked(self.root):
            now = {image.root.digest: image for image in self._images()}
            for image in images:
                digest = image.root.digest
                if now.get(digest) != image:
                    continue
                for reference in image.references:
                    self._tags.remove(reference)
                shutil.rmtree(self.root / digest, ignore_errors=True)
                removed.append(digest)
        return tuple(removed)

    def _images(self) -> Iterator[StoredImage]:
        tags: dict[Digest, list[Tag]] = {}
        for tag in self._tags.all():
            tags.setdefault(tag.digest, []).append(tag)
        for digest in self._digests():
            root = self._sound(digest)
            if root is not None:
                own = tags.get(digest, [])
                yield StoredImage(
                    root=root,
                    references=tuple(sorted((tag.reference for tag in own), key=str)),
                    size_bytes=Path(root.path).stat().st_size,
                    used_ns=(self.root / digest / _RECORD).stat().st_mtime_ns,
                    is_built=any(not tag.is_pulled for tag in own),
                )

    def _digests(self) -> tuple[Digest, ...]:
        if not self.root.is_dir():
            return ()
        return tuple(
            Digest(path.name)
            for path in self.root.iterdir()
            if len(path.name) == _DIGEST_LENGTH and path.is_dir()
        )


def _may_have_moved(tag: Tag) -> bool:
    """Whether a registry may say something new of a name; it never does of a build's."""
    return (
        tag.is_pulled
        and tag.reference.digest is None
        and time.time() - tag.asked_s >= _REFRESH_AFTER_S
    )


def _checked(directory: Path, record: JsonObject) -> RootFilesystem | None:
    if record.text("format") != _FORMAT:
        return None
    path = directory / _ROOT
    if not path.is_file() or str(path.stat().st_size) != record.text("size_bytes"):
        raise corrupt(f"{path} is not as it was made.")
    return RootFilesystem(
        path=HostPath(str(path)),
        digest=Digest(directory.name),
        config=decode_config(record),
    )


def _write_record(new: Path, image: OciImage, entries: int) -> None:
    record = {
        "format": _FORMAT,
        "digest": image.digest,
        "size_bytes": str((new / _ROOT).stat().st_size),
        "entries": entries,
        "config": encode_config(image.config),
    }
    replace_file(new / _RECORD, (json.dumps(record, indent=2) + "\n").encode())


def _absent(reference: ImageReference) -> tuple[str, str]:
    return (
        f"{reference} is not on this machine, and no registry is asked.",
        f"Build it (`make image-{reference.repository}`), or pull it: --pull if-not-present.",
    )
