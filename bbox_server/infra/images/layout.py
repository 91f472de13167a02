# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts (image-spec 1.1, image-layout.md): from the index to the layers."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.image import ImageConfig
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt, not_found, unsupported
from bbox_server.infra.images.image_config import decode_config
from bbox_server.infra.images.json_value import JsonObject

_DOCUMENT_LIMIT_BYTES: Final = 4 * 1024 * 1024
_LAYER_LIMIT: Final = 256
_DIGEST: Final = re.compile("sha256:([0-9a-f]{64})")
_INDEX_TYPES: Final = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
# Whether the layer is gzip; anything else is refused by name.
_LAYER_TYPES: Final = {
    "application/vnd.oci.image.layer.v1.tar": False,
    "application/vnd.oci.image.layer.v1.tar+gzip": True,
    "application/vnd.docker.image.rootfs.diff.tar": False,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer's blob; its digest is of the bytes in the file."""

    path: Path
    digest: Digest
    compressed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OciImage:
    """One platform's image. Documents are verified, layers not yet.

    Attributes:
        digest: Of the manifest.
        layers: The lowest first.
    """

    digest: Digest
    config: ImageConfig
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OciLayout:
    """A directory with `index.json` and `blobs/`; its content is hostile input."""

    root: Path

    def image(self, architecture: str) -> OciImage:
        """The image for Linux on one architecture, in OCI's names for it (`amd64`).

        Raises:
            BboxError: image.not-found when there is no layout, image.corrupt,
                image.unsupported.
        """
        index = self._index()
        digest, document = self._manifest(index, architecture)
        manifest = JsonObject.parse(document, where="the manifest")
        config = JsonObject.parse(
            self._document(manifest.child("config")), where="the image's configuration"
        )
        _check_platform(config, architecture)
        layers = tuple(self._layer(entry) for entry in manifest.children("layers"))
        if len(layers) > _LAYER_LIMIT:
            raise corrupt(f"The image has {len(layers)} layers; {_LAYER_LIMIT} are the most.")
        return OciImage(digest=digest, config=decode_config(config), layers=layers)

    def _index(self) -> JsonObject:
        path = self.root / "index.json"
        try:
            document = _read_limited(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _no_layout(path) from error
        return JsonObject.parse(document, where="index.json")

    def _manifest(self, index: JsonObject, architecture: str) -> tuple[Digest, bytes]:
        # An index may hold an index (a multi-platform image), and that one no more.
        for _ in range(2):
            chosen = _choose(index.children("manifests"), architecture)
            document = self._document(chosen)
            if chosen.text("mediaType") not in _INDEX_TYPES:
                return _digest(chosen), document
            index = JsonObject.parse(document, where="an index")
        raise corrupt("The image's index has too many levels.")

    def _document(self, descriptor: JsonObject) -> bytes:
        digest = _digest(descriptor)
        path = self._blob(digest)
        try:
            document = _read_limited(path)
        except FileNotFoundError as error:
            raise corrupt(f"The blob {digest} is missing.") from error
        actual = hashlib.sha256(document).hexdigest()
        if actual != digest:
            raise corrupt(f"A document should have the digest {digest} and has {actual}.")
        return document

    def _layer(self, descriptor: JsonObject) -> Layer:
        media_type = descriptor.text("mediaType")
        if media_type not in _LAYER_TYPES:
            raise unsupported(
                f"A layer is of the type {media_type!r}.",
                "Write the image with gzip or uncompressed layers.",
            )
        digest = _digest(descriptor)
        path = self._blob(digest)
        if not path.is_file():
            raise corrupt(f"The layer {digest} is missing.")
        return Layer(path=path, digest=digest, compressed=_LAYER_TYPES[media_type])

    def _blob(self, digest: Digest) -> Path:
        return self.root / "blobs" / "sha256" / digest


def _choose(manifests: tuple[JsonObject, ...], architecture: str) -> JsonObject:
    matching = [entry for entry in manifests if _matches(entry, architecture)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise unsupported(
            f"The layout has {len(matching)} images for linux/{architecture}.",
            "Give a layout with one image.",
        )
    raise _wrong_platform(architecture)


def _matches(entry: JsonObject, architecture: str) -> bool:
    platform = entry.optional_child("platform")
    if platform is None:
        return True
    wanted = ("linux", architecture)
    return (platform.text("os"), platform.text("architecture")) == wanted


def _check_platform(config: JsonObject, architecture: str) -> None:
    if (config.text("os"), config.text("architecture")) != ("linux", architecture):
        raise _wrong_platform(architecture)


def _wrong_platform(architecture: str) -> BboxError:
    return unsupported(
        f"The image has nothing for linux/{architecture}.",
        f"Use an image that is made for linux/{architecture}.",
    )


def _no_layout(path: Path) -> BboxError:
    return not_found(
        f"{path} is not there, so this is no OCI layout.",
        "Give the directory that has index.json and blobs/ in it.",
    )


def _digest(descriptor: JsonObject) -> Digest:
    match = _DIGEST.fullmatch(descriptor.text("digest"))
    if match is None:
        raise corrupt(f"{descriptor.text('digest')[:100]!r} is no sha256 digest.")
    return Digest(match[1])


def _read_limited(path: Path) -> bytes:
    with path.open("rb") as file:
        document = file.read(_DOCUMENT_LIMIT_BYTES + 1)
    if len(document) > _DOCUMENT_LIMIT_BYTES:
        raise corrupt(f"{path.name} is larger than {_DOCUMENT_LIMIT_BYTES} bytes.")
    return document
