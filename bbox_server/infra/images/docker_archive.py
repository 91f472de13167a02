# SPDX-License-Identifier: Apache-2.0
"""Archives of `docker save` and `podman save` (Docker's image spec 1.2, Combined Image JSON)."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.entry import Entry, EntryKind, EntryPath, Limits, split_path
from bbox_server.infra.images.faults import corrupt, not_found, unsupported
from bbox_server.infra.images.image_config import decode_config
from bbox_server.infra.images.json_value import JsonObject
from bbox_server.infra.images.manifest import (
    DOCUMENT_LIMIT_BYTES,
    Compression,
    Layer,
    OciImage,
    check_count,
    check_platform,
    parse_digest,
)
from bbox_server.infra.images.meter import Meter
from bbox_server.infra.images.reader import (
    CHUNK_BYTES,
    Cancelled,
    LayerStream,
    Readable,
    decompressed,
)
from bbox_server.infra.images.tar_reader import read_entries

_MANIFEST: Final = (b"manifest.json",)
_BLOBS: Final = b"blobs"
_JSON: Final = b".json"
# RFC 1952, 2.3.1; RFC 8878, 3.1.1. A tar begins with a name.
_MAGIC: Final = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5": Compression.ZSTD}
_MAGIC_BYTES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described:
    """What the archive's documents say.

    Attributes:
        layers: Where each is in the archive, links followed, and the digest of its tar.
    """

    digest: Digest
    config: JsonObject
    layers: tuple[tuple[EntryPath, Digest], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerArchive:
    """A file with one image; its content is hostile input.

    The configuration names the digest of each layer, and so its own digest stands for all: it is
    what Docker calls the image's ID.
    """

    path: Path
    limits: Limits = field(default_factory=Limits)

    def digest(self) -> Digest:
        """Of the image; passes over the whole archive. Blocking.

        Raises:
            BboxError: image.not-found, image.corrupt, image.unsupported.
        """
        return self._describe().digest

    async def unpack(self, directory: Path, architecture: str, meter: Meter) -> OciImage:
        """The image, its layers in the directory, each verified when it is merged.

        Raises:
            BboxError: as above.
        """
        cancelled = threading.Event()
        # Left only when the thread has ended: it uses what the caller removes.
        with ThreadPoolExecutor(max_workers=1) as pool:
            reading = pool.submit(self._unpack, directory, architecture, meter, cancelled.is_set)
            try:
                return await asyncio.wrap_future(reading)
            except asyncio.CancelledError:
                cancelled.set()
                raise

    def _unpack(
        self, directory: Path, architecture: str, meter: Meter, cancelled: Callable[[], bool]
    ) -> OciImage:
        described = self._describe()
        check_platform(described.config, architecture)
        meter.begin("Reading", self.path.stat().st_size)
        paths: dict[EntryPath, Path] = {}
        wanted = {path for path, _ in described.layers}
        left_bytes = self.limits.total_bytes
        with self._opened(meter, cancelled) as stream:
            for entry in read_entries(stream):
                if entry.kind is EntryKind.FILE and entry.path in wanted:
                    paths[entry.path] = directory / f"layer-{len(paths)}"
                    left_bytes -= _write(paths[entry.path], stream, left_bytes)
        missing = wanted - paths.keys()
        if missing:
            raise corrupt(f"The archive lacks the layer {b'/'.join(min(missing))[:100]!r}.")
        return OciImage(
            digest=described.digest,
            config=decode_config(described.config),
            layers=tuple(
                Layer(path=paths[path], digest=digest, compression=Compression.NONE)
                for path, digest in described.layers
            ),
        )

    def _describe(self) -> _Described:
        documents: dict[EntryPath, bytes] = {}
        links: dict[EntryPath, EntryPath] = {}
        room = self.limits.metadata_bytes
        with self._opened(Meter(), lambda: False) as stream:
            for entry in read_entries(stream):
                room -= entry.metadata_bytes + (entry.size_bytes if _may_be_json(entry) else 0)
                if room < 0:
                    raise corrupt("The archive has too many files.")
                if _may_be_json(entry):
                    documents[entry.path] = b"".join(iter(stream.content, b""))
                elif entry.kind in {EntryKind.SYMLINK, EntryKind.HARDLINK}:
                    links[entry.path] = _leads_to(entry)
        return _read_documents(documents, links)

    @contextmanager
    def _opened(self, meter: Meter, cancelled: Callable[[], bool]) -> Iterator[LayerStream]:
        try:
            file = self.path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise not_found(
                f"{self.path} is no file.", "Give an archive that `docker save` wrote."
            ) from error
        with file:
            source = _sniffed(_Counted(file=file, meter=meter, cancelled=cancelled))
            yield LayerStream(source, limit_bytes=self.limits.total_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """The archive's own bytes."""

    file: BinaryIO
    meter: Meter
    cancelled: Callable[[], bool]

    def read(self, size: int, /) -> bytes:
        if self.cancelled():
            raise Cancelled
        chunk = self.file.read(size)
        self.meter.add(len(chunk))
        return chunk


@dataclass(slots=True)
class _Content:
    """What is left of an entry of the archive, after bytes that were read already."""

    stream: LayerStream

    def read(self, _: int, /) -> bytes:
        return self.stream.content()


@dataclass(slots=True)
class _Replayed:
    """A source of which some bytes were read already."""

    ahead: bytes
    source: Readable

    def read(self, size: int, /) -> bytes:
        if self.ahead:
            chunk, self.ahead = self.ahead, b""
            return chunk
        return self.source.read(size)


def _sniffed(source: Readable) -> Readable:
    """The bytes, decompressed if they are compressed."""
    ahead = source.read(CHUNK_BYTES)
    while len(ahead) < _MAGIC_BYTES and (more := source.read(CHUNK_BYTES)):
        ahead += more
    compression = _MAGIC.get(ahead[:_MAGIC_BYTES], Compression.NONE)
    return decompressed(_Replayed(ahead, source), compression)


def _write(path: Path, stream: LayerStream, limit_bytes: int) -> int:
    """Write an entry's content, decompressed; returns its size. Raises: image.corrupt."""
    layer = LayerStream(_sniffed(_Content(stream)), limit_bytes=limit_bytes)
    with path.open("xb") as file:
        while chunk := layer.read(CHUNK_BYTES):
            file.write(chunk)
    return limit_bytes - layer.left_bytes


def _may_be_json(entry: Entry) -> bool:
    if entry.kind is not EntryKind.FILE or entry.size_bytes > DOCUMENT_LIMIT_BYTES:
        return False
    return bool(entry.path) and (entry.path[-1].endswith(_JSON) or entry.path[0] == _BLOBS)


def _leads_to(entry: Entry) -> EntryPath:
    """Docker wrote a layer that several images have once: `../ID/layer.tar` for the others."""
    if entry.kind is EntryKind.HARDLINK:
        return entry.link
    parts = entry.target.split(b"/")
    ups = len(parts) - len(parts := [part for part in parts if part != b".."])
    return (*entry.path[: max(0, len(entry.path) - 1 - ups)], *split_path(b"/".join(parts)))


def _read_documents(
    documents: dict[EntryPath, bytes], links: dict[EntryPath, EntryPath]
) -> _Described:
    if _MANIFEST not in documents:
        raise corrupt("The archive has no manifest.json: `docker save` did not write it.")
    listed = b'{"images":' + documents[_MANIFEST] + b"}"
    images = JsonObject.parse(listed, where="manifest.json").children("images")
    if len(images) != 1:
        raise unsupported(
            f"The archive has {len(images)} images.", "Save one image: docker save NAME."
        )
    content = documents.get(_path(images[0].text("Config")))
    if content is None:
        raise corrupt("The archive lacks the image's configuration.")
    config = JsonObject.parse(content, where="the image's configuration")
    digests = [parse_digest(text) for text in config.child("rootfs").texts("diff_ids")]
    paths = [_path(name) for name in images[0].texts("Layers")]
    check_count(len(paths))
    if len(paths) != len(digests):
        raise corrupt("The archive's documents do not agree on the layers.")
    return _Described(
        digest=Digest(hashlib.sha256(content).hexdigest()),
        config=config,
        layers=tuple(
            (links.get(path, path), digest) for path, digest in zip(paths, digests, strict=True)
        ),
    )


def _path(name: str) -> EntryPath:
    return split_path(name.encode("utf-8", "replace"))
