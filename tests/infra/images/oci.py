# SPDX-License-Identifier: Apache-2.0
"""OCI layouts for tests, written byte by byte: a test can make any of them wrong."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.manifest import Compression, Layer

LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def member(  # noqa: PLR0913 - the fields of a header
    name: str,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o644,
    link: str = "",
    pax: dict[str, str] | None = None,
) -> tuple[tarfile.TarInfo, bytes]:
    """One member for `tar`."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.linkname, info.size = kind, mode, link, len(content)
    info.pax_headers = pax or {}
    return info, content


def directory(name: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.DIRTYPE, mode=mode)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.SYMTYPE, link=target, mode=0o777)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, kind=tarfile.LNKTYPE, link=target)


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive as another program writes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def join(*archives: bytes) -> bytes:
    """One archive with the members of several, in their order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as joined:
        for archive in archives:
            with tarfile.open(fileobj=io.BytesIO(archive)) as members:
                for info in members:
                    joined.addfile(info, members.extractfile(info) if info.isreg() else None)
    return buffer.getvalue()


@dataclass
class LayoutWriter:
    """A layout below a directory, which may not exist yet."""

    root: Path
    architecture: str = "amd64"
    config: dict[str, object] = field(default_factory=dict)

    def blob(self, content: bytes) -> dict[str, object]:
        """Write a blob; returns its descriptor without a type."""
        digest = hashlib.sha256(content).hexdigest()
        blobs = self.root / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        (blobs / digest).write_bytes(content)
        return {"digest": f"sha256:{digest}", "size": len(content)}

    def layer(
        self, content: bytes, compression: Compression = Compression.NONE
    ) -> dict[str, object]:
        media_type = f"{LAYER}+{compression}" if compression else LAYER
        return {"mediaType": media_type, **self.blob(compress(content, compression))}

    def manifest(self, *layers: dict[str, object]) -> dict[str, object]:
        config = {"os": "linux", "architecture": self.architecture, "config": self.config}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.blob(json.dumps(config).encode()),
            "layers": list(layers),
        }
        return {"mediaType": MANIFEST, **self.blob(json.dumps(document).encode())}

    def index(self, *manifests: dict[str, object]) -> Path:
        content = json.dumps({"schemaVersion": 2, "manifests": list(manifests)})
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "index.json").write_text(content)
        return self.root

    def image(self, *layers: bytes) -> Path:
        """A whole layout of one image; returns its directory."""
        return self.index(self.manifest(*(self.layer(content) for content in layers)))


def write_layer(
    directory_: Path, content: bytes, compression: Compression = Compression.NONE
) -> Layer:
    """A layer's file, as the layout's reader hands it on."""
    data = compress(content, compression)
    digest = hashlib.sha256(data).hexdigest()
    path = directory_ / digest
    path.write_bytes(data)
    return Layer(path=path, digest=Digest(digest), compression=compression)


def compress(content: bytes, compression: Compression) -> bytes:
    match compression:
        case Compression.NONE:
            return content
        case Compression.GZIP:
            return gzip.compress(content, mtime=0)
        case Compression.ZSTD:
            return zstandard.compress(content)
