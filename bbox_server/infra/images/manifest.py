# SPDX-License-Identifier: Apache-2.0
"""Indexes and manifests (image-spec 1.1; Docker's of schema 2): from a document to the layers."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.image import ImageConfig
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt, unsupported
from bbox_server.infra.images.json_value import JsonObject

DOCUMENT_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""What registries take for a manifest, too."""

INDEX_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

_LAYER_LIMIT: Final = 256
_DIGEST: Final = re.compile("sha256:([0-9a-f]{64})")


class Compression(StrEnum):
    """How a layer's blob is stored."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


# Anything else is refused by name.
_LAYER_TYPES: Final = {
    "application/vnd.oci.image.layer.v1.tar": Compression.NONE,
    "application/vnd.oci.image.layer.v1.tar+gzip": Compression.GZIP,
    "application/vnd.oci.image.layer.v1.tar+zstd": Compression.ZSTD,
    "application/vnd.docker.image.rootfs.diff.tar": Compression.NONE,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": Compression.GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": Compression.ZSTD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer's blob; its digest is of the bytes in the file."""

    path: Path
    digest: Digest
    compression: Compression


@dataclass(frozen=True, slots=True, kw_only=True)
class OciImage:
    """One platform's image. Documents are verified, layers not yet.

    Attributes:
        digest: Of the manifest; of the configuration where there is no manifest.
        layers: The lowest first.
    """

    digest: Digest
    config: ImageConfig
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobDescriptor:
    """What a document says of a blob (image-spec, descriptor.md)."""

    digest: Digest
    size_bytes: int
    compression: Compression = Compression.NONE


def is_index(document: JsonObject) -> bool:
    """Whether a document lists images instead of being one. Raises: image.corrupt for both.

    A media type is only a claim, and who reads the same bytes in two ways is misled
    (CVE-2021-41190).
    """
    lists, is_one = "manifests" in document.members, "layers" in document.members
    if lists and is_one:
        raise corrupt("A manifest is an index, too.")
    return lists


def read_layers(manifest: JsonObject) -> tuple[BlobDescriptor, ...]:
    """A manifest's layers, the lowest first. Raises: image.corrupt, image.unsupported."""
    entries = manifest.children("layers")
    check_count(len(entries))
    return tuple(_read_layer(entry) for entry in entries)


def check_count(layers: int) -> None:
    """Raises: image.corrupt for more layers than an image may have."""
    if layers > _LAYER_LIMIT:
        raise corrupt(f"The image has {layers} layers; {_LAYER_LIMIT} are the most.")


def _read_layer(descriptor: JsonObject) -> BlobDescriptor:
    media_type = descriptor.text("mediaType")
    if media_type not in _LAYER_TYPES:
        raise unsupported(
            f"A layer is of the type {media_type!r}.",
            "Write the image with uncompressed, gzip or zstd layers.",
        )
    return read_blob(descriptor, _LAYER_TYPES[media_type])


def read_blob(
    descriptor: JsonObject, compression: Compression = Compression.NONE
) -> BlobDescriptor:
    """What a descriptor names. Raises: image.corrupt."""
    return BlobDescriptor(
        digest=read_digest(descriptor),
        size_bytes=descriptor.size("size"),
        compression=compression,
    )


def read_digest(descriptor: JsonObject) -> Digest:
    """A descriptor's digest. Raises: image.corrupt for all but sha256."""
    return parse_digest(descriptor.text("digest"))


def parse_digest(text: str) -> Digest:
    """`sha256:…` as a digest. Raises: image.corrupt for all else."""
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise corrupt(f"{text[:100]!r} is no sha256 digest.")
    return Digest(match[1])


def of_platform(index: JsonObject, architecture: str) -> tuple[JsonObject, ...]:
    """The entries for Linux on one architecture, in OCI's names for it (`amd64`); one at least.

    Raises:
        BboxError: image.unsupported.
    """
    matching = tuple(
        entry for entry in index.children("manifests") if _matches(entry, architecture)
    )
    if not matching:
        raise _wrong_platform(architecture)
    return matching


def _matches(entry: JsonObject, architecture: str) -> bool:
    platform = entry.optional_child("platform")
    if platform is None:
        return True
    wanted = ("linux", architecture)
    return (platform.text("os"), platform.text("architecture")) == wanted


def check_platform(config: JsonObject, architecture: str) -> None:
    """Raises: image.unsupported when an image's configuration is of another platform."""
    if (config.text("os"), config.text("architecture")) != ("linux", architecture):
        raise _wrong_platform(architecture)


def _wrong_platform(architecture: str) -> BboxError:
    return unsupported(
        f"The image has nothing for linux/{architecture}.",
        f"Use an image that is made for linux/{architecture}.",
    )
