# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts (image-spec 1.1, image-layout.md): from the index to the layers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from bbox_server.domain.error import BboxError
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt, not_found, unsupported
from bbox_server.infra.images.image_config import decode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.manifest import (
    DOCUMENT_LIMIT_BYTES,
    BlobDescriptor,
    Layer,
    OciImage,
    check_platform,
    is_index,
    of_platform,
    read_digest,
    read_layers,
)


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
        digest, manifest = self._manifest(architecture)
        config = JsonObject.parse(
            self._document(read_digest(manifest.child("config"))),
            where="the image's configuration",
        )
        check_platform(config, architecture)
        return OciImage(
            digest=digest,
            config=decode_config(config),
            layers=tuple(self._layer(entry) for entry in read_layers(manifest)),
        )

    def _index(self) -> JsonObject:
        path = self.root / "index.json"
        try:
            document = _read_limited(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _no_layout(path) from error
        return JsonObject.parse(document, where="index.json")

    def _manifest(self, architecture: str) -> tuple[Digest, JsonObject]:
        entries = of_platform(self._index(), architecture)
        if len(entries) > 1:
            raise unsupported(
                f"The layout has {len(entries)} images for linux/{architecture}.",
                "Give a layout with one image.",
            )
        # An index may hold an index (a multi-platform image), and that one no more.
        for _ in range(2):
            digest = read_digest(entries[0])
            document = JsonObject.parse(self._document(digest), where="the manifest")
            if not is_index(document):
                return digest, document
            entries = of_platform(document, architecture)
        raise corrupt("The image's index has too many levels.")

    def _document(self, digest: Digest) -> bytes:
        path = self._blob(digest)
        try:
            document = _read_limited(path)
        except FileNotFoundError as error:
            raise corrupt(f"The blob {digest} is missing.") from error
        actual = hashlib.sha256(document).hexdigest()
        if actual != digest:
            raise corrupt(f"A document should have the digest {digest} and has {actual}.")
        return document

    def _layer(self, descriptor: BlobDescriptor) -> Layer:
        path = self._blob(descriptor.digest)
        if not path.is_file():
            raise corrupt(f"The layer {descriptor.digest} is missing.")
        return Layer(path=path, digest=descriptor.digest, compression=descriptor.compression)

    def _blob(self, digest: Digest) -> Path:
        return self.root / "blobs" / "sha256" / digest


def _no_layout(path: Path) -> BboxError:
    return not_found(
        f"{path} is not there, so this is no OCI layout.",
        "Give the directory that has index.json and blobs/ in it.",
    )


def _read_limited(path: Path) -> bytes:
    with path.open("rb") as file:
        document = file.read(DOCUMENT_LIMIT_BYTES + 1)
    if len(document) > DOCUMENT_LIMIT_BYTES:
        raise corrupt(f"{path.name} is larger than {DOCUMENT_LIMIT_BYTES} bytes.")
    return document
