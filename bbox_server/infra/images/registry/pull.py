# SPDX-License-Identifier: Apache-2.0
"""From a reference to an image whose layers are here."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from bbox_server.domain.error import BboxError, ErrorCode, first_error
from bbox_server.domain.image import ImageReference
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.entry import Limits
from bbox_server.infra.images.faults import corrupt
from bbox_server.infra.images.image_config import decode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.layer_files import LayerFiles, PartialBlob
from bbox_server.infra.images.manifest import (
    BlobDescriptor,
    Layer,
    OciImage,
    check_platform,
    is_index,
    of_platform,
    read_digest,
    read_layers,
)
from bbox_server.infra.images.meter import Meter
from bbox_server.infra.images.registry.endpoints import RegistriesConf
from bbox_server.infra.images.registry.faults import TryAgainError, failed, unreachable
from bbox_server.infra.images.registry.logins import Logins
from bbox_server.infra.images.registry.repository import Document, Repository, open_repository
from bbox_server.infra.images.registry.transport import Patience

_DOWNLOADS: Final = 3
_READ_BYTES: Final = 1024 * 1024
_PARTIAL: Final = 206
_RANGE_BEYOND: Final = 416

# Another place may do better; what is wrong with the image itself is wrong everywhere.
_OF_THE_PLACE: Final = frozenset(
    {
        ErrorCode.IMAGE_NOT_FOUND,
        ErrorCode.IMAGE_CORRUPT,
        ErrorCode.IMAGE_REGISTRY_DENIED,
        ErrorCode.IMAGE_REGISTRY_FAILED,
        ErrorCode.IMAGE_REGISTRY_LIMITED,
        ErrorCode.IMAGE_REGISTRY_UNREACHABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundImage:
    """An image of a registry, without its layers.

    Attributes:
        digest: Of the manifest.
        place: The registry or the mirror that has it.
    """

    digest: Digest
    manifest: JsonObject
    place: str
    source: Repository = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """All registries there are, as the user's own clients know them.

    Attributes:
        environ: The user's: files with logins and mirrors, credential helpers.
        patience: How long each is waited for.
    """

    layers: LayerFiles
    environ: Mapping[str, str] = field(repr=False)
    conf: RegistriesConf
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)

    @asynccontextmanager
    async def find(self, reference: ImageReference, architecture: str) -> AsyncIterator[FoundImage]:
        """An image for Linux; within the context its layers can be fetched.

        Mirrors are asked first; what the reference's own registry says is what is raised.

        Raises:
            BboxError: image.not-found, image.corrupt, image.unsupported, image.registry-*,
                image.login-failed.
        """
        endpoints = self.conf.endpoints(reference)
        logins = Logins(environ=self.environ)
        async with AsyncExitStack() as stack:
            for endpoint in endpoints:
                try:
                    repository = await stack.enter_async_context(
                        open_repository(endpoint, logins, self.patience)
                    )
                    document = await _manifest(repository, reference, architecture)
                except BboxError as error:
                    if endpoint == endpoints[-1] or error.code not in _OF_THE_PLACE:
                        raise
                    continue
                yield FoundImage(
                    digest=document.digest,
                    manifest=document.content,
                    place=endpoint.name,
                    source=repository,
                )
                return

    async def fetch(self, found: FoundImage, architecture: str, meter: Meter) -> OciImage:
        """All layers of an image, several at a time; those that are here are not asked for.

        Raises:
            BboxError: as `find`; disk.full. What was downloaded is kept for the next time.
        """
        descriptors = read_layers(found.manifest)
        total = sum(one.size_bytes for one in descriptors)
        if total > self.limits.total_bytes:
            raise corrupt(f"The image's layers have {total} bytes, more than an image may have.")
        config = await found.source.blob_document(read_digest(found.manifest.child("config")))
        check_platform(config, architecture)
        meter.begin("Pulling", total)
        free = asyncio.Semaphore(_DOWNLOADS)
        try:
            async with asyncio.TaskGroup() as tasks:
                for descriptor in dict.fromkeys(descriptors):
                    tasks.create_task(self._layer(found.source, descriptor, free, meter))
        except ExceptionGroup as group:
            error = first_error(group)
            if error is None:
                raise
            raise error from group
        return OciImage(
            digest=found.digest,
            config=decode_config(config),
            layers=tuple(
                Layer(
                    path=self.layers.root / one.digest,
                    digest=one.digest,
                    compression=one.compression,
                )
                for one in descriptors
            ),
        )

    async def _layer(
        self,
        source: Repository,
        descriptor: BlobDescriptor,
        free: asyncio.Semaphore,
        meter: Meter,
    ) -> None:
        async with free:
            if self.layers.find(descriptor.digest) is None:
                async with self.layers.partial(descriptor) as part:
                    if part is not None:
                        meter.add(part.length_bytes)
                        await _Download(source, descriptor, part, meter).complete()
                        return
            meter.add(descriptor.size_bytes)


class _Download:
    """One blob, in as many connections as it takes."""

    def __init__(
        self, source: Repository, descriptor: BlobDescriptor, part: PartialBlob, meter: Meter
    ) -> None:
        self._source = source
        self._descriptor = descriptor
        self._part = part
        self._meter = meter

    async def complete(self) -> None:
        """Raises: as `Registries.fetch`."""
        # A part of another day may have been spoilt; what this download brought by itself not.
        is_fresh = self._part.length_bytes == 0
        patience, tries = self._source.transport.patience, 0
        while True:
            before = self._part.length_bytes
            try:
                await self._go_on()
            except TryAgainError as again:
                tries = tries + 1 if self._part.length_bytes <= before else 1
                await patience.pause(again, tries)
                continue
            if await asyncio.to_thread(self._part.publish):
                return
            if is_fresh:
                digest = self._descriptor.digest
                raise corrupt(f"{self._source.endpoint.name} has another layer than {digest}.")
            is_fresh = True

    async def _go_on(self) -> None:
        if self._part.is_complete:
            return
        begin = self._part.length_bytes
        async with self._source.blob(self._descriptor.digest, begin) as response:
            if begin and not self._continues(response, begin):
                self._meter.add(-begin)
                self._part.clear()
            while chunk := await response.content.read(_READ_BYTES):
                await asyncio.to_thread(self._part.add, chunk)
                self._meter.add(len(chunk))
        if not self._part.is_complete:
            host = self._source.endpoint.name
            raise TryAgainError(unreachable(host, "a layer ended before its end"))

    def _continues(self, response: aiohttp.ClientResponse, begin: int) -> bool:
        """Whether the answer has the bytes from `begin` on; a registry may start again."""
        if response.status == _RANGE_BEYOND:
            self._part.clear()
            host = self._source.endpoint.name
            raise TryAgainError(failed(host, "it has less of a layer than it had before"))
        said = response.headers.get("Content-Range", "").partition("-")[0]
        return response.status == _PARTIAL and said == f"bytes {begin}"


async def _manifest(
    repository: Repository, reference: ImageReference, architecture: str
) -> Document:
    document = await repository.manifest(tag=reference.tag, digest=reference.digest)
    if not is_index(document.content):
        return document
    # Of several the first counts: builders put the plainest variant there.
    chosen = read_digest(of_platform(document.content, architecture)[0])
    document = await repository.manifest(digest=chosen)
    if is_index(document.content):
        raise corrupt("The image's index has too many levels.")
    return document
