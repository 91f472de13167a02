# SPDX-License-Identifier: Apache-2.0
"""The store of root filesystems: `DIGEST/{root.sqfs,image.json}` and `refs/`."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
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
from bbox_server.infra.images.faults import corrupt, disk_full, is_disk_full, not_found, unsupported
from bbox_server.infra.images.files import locked, new_directory, publish, replace_file
from bbox_server.infra.images.image_config import decode_config, encode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.layout import OciImage, OciLayout
from bbox_server.infra.images.squashfs import SquashfsWriter
from bbox_server.infra.images.tags import Tags

# Changes when the merger makes another file of the same image.
_FORMAT: Final = "1"
_ROOT: Final = "root.sqfs"
_RECORD: Final = "image.json"
_DIGEST_LENGTH: Final = 64

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
    """

    root: Path
    writer: SquashfsWriter = field(default_factory=SquashfsWriter)
    architecture: str = field(default_factory=host_architecture)

    @override
    async def resolve(
        self, reference: ImageReference, policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    ) -> RootFilesystem:
        root = await self._resolve(reference, policy)
        self._mark_used(root.digest)
        return root

    @override
    async def import_layout(
        self, layout: HostPath, tag: ImageReference | None = None
    ) -> RootFilesystem:
        image = OciLayout(root=Path(layout)).image(self.architecture)
        root = self._sound(image.digest) or await self._convert(image)
        if tag is not None:
            self._tags.set(tag, root.digest)
        return root

    @override
    async def list(self) -> tuple[StoredImage, ...]:
        return tuple(sorted(self._images(), key=lambda image: image.root.digest))

    @override
    async def collect(self, unused_since_ns: int) -> tuple[Digest, ...]:
        removed = []
        for image in await self.list():
            if not image.references and image.used_ns < unused_since_ns:
                await asyncio.to_thread(shutil.rmtree, self.root / image.root.digest)
                removed.append(image.root.digest)
        return tuple(removed)

    @property
    def _tags(self) -> Tags:
        return Tags(root=self.root / "refs")

    async def _resolve(self, reference: ImageReference, policy: PullPolicy) -> RootFilesystem:
        match reference.source:
            case ImageSource.OCI_LAYOUT:
                return await self.import_layout(reference.path)
            case ImageSource.DOCKER_ARCHIVE:
                raise unsupported(
                    f"{reference} can't be read yet.",
                    "Unpack it: skopeo copy docker-archive:FILE oci:DIR; then use oci:DIR.",
                )
            case ImageSource.REGISTRY:
                return self._resolve_name(reference, policy)

    def _mark_used(self, digest: Digest) -> None:
        now = time.time_ns()
        # Somebody else's store can be used without a mark.
        with suppress(PermissionError):
            os.utime(self.root / digest / _RECORD, ns=(now, now))

    def _resolve_name(self, reference: ImageReference, policy: PullPolicy) -> RootFilesystem:
        # A local build wins. No registry is asked yet, so that `policy` changes the words only.
        digest = reference.digest or self._tags.digest(reference)
        root = self._stored(digest) if digest is not None else None
        if root is None:
            raise not_found(*_absent(reference, policy))
        return root

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

    async def _convert(self, image: OciImage) -> RootFilesystem:
        try:
            with new_directory(self.root) as new:
                entries = await self.writer.write(image.layers, new / _ROOT)
                _write_record(new, image, entries)
                return self._publish(new, image.digest)
        except OSError as error:
            if is_disk_full(error):
                raise disk_full(self.root) from error
            raise

    def _publish(self, new: Path, digest: Digest) -> RootFilesystem:
        with locked(self.root):
            root = self._sound(digest)
            if root is None:
                final = self.root / digest
                shutil.rmtree(final, ignore_errors=True)
                publish(new, final)
                root = self._stored(digest)
        if root is None:
            raise AssertionError(digest)
        return root

    def _images(self) -> Iterator[StoredImage]:
        names: dict[Digest, list[ImageReference]] = {}
        for reference, digest in self._tags.all():
            names.setdefault(digest, []).append(reference)
        for digest in self._digests():
            root = self._sound(digest)
            if root is not None:
                yield StoredImage(
                    root=root,
                    references=tuple(sorted(names.get(digest, []), key=str)),
                    size_bytes=Path(root.path).stat().st_size,
                    used_ns=(self.root / digest / _RECORD).stat().st_mtime_ns,
                )

    def _digests(self) -> tuple[Digest, ...]:
        if not self.root.is_dir():
            return ()
        return tuple(
            Digest(path.name)
            for path in self.root.iterdir()
            if len(path.name) == _DIGEST_LENGTH and path.is_dir()
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


def _absent(reference: ImageReference, policy: PullPolicy) -> tuple[str, str]:
    name = reference.repository
    if policy is PullPolicy.NEVER:
        return f"{reference} is not on this machine.", f"Build it: make image-{name}."
    return (
        f"{reference} is not on this machine, and registries can't be asked yet.",
        f"Build it (`make image-{name}`), or give an OCI layout: --image oci:DIRECTORY.",
    )
