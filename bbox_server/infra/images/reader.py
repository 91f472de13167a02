# SPDX-License-Identifier: Apache-2.0
"""Bytes of a layer: verified, decompressed and counted."""

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import BinaryIO, Final, Protocol, Self

import zstandard

from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt
from bbox_server.infra.images.manifest import Compression

CHUNK_BYTES: Final = 256 * 1024

# zlib: a gzip header and trailer around the deflated bytes.
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS

# What `zstd --long` makes at most; a frame that needs more is refused (RFC 8878, 3.1.1.1.2).
_ZSTD_WINDOW_BYTES: Final = 128 * 1024 * 1024


class Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; empty at the end."""
        ...


class Cancelled(Exception):  # noqa: N818 - it is no error, it is an order
    """Whoever wanted the image doesn't any more."""


class DigestingFile:
    """Hashes what is read of a file.

    Args:
        path: Opened at once.
        cancelled: Asked at each read; True ends it with `Cancelled`.
        advanced: Told at each read how much it was.
    """

    def __init__(
        self, path: Path, cancelled: Callable[[], bool], advanced: Callable[[int], None]
    ) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._cancelled = cancelled
        self._advanced = advanced
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        if self._cancelled():
            raise Cancelled
        chunk = self._file.read(size)
        self._hash.update(chunk)
        self._advanced(len(chunk))
        return chunk

    def check(self, digest: Digest) -> None:
        """Read to the end and compare. Raises: image.corrupt."""
        while self.read(CHUNK_BYTES):
            pass
        actual = self._hash.hexdigest()
        if actual != digest:
            raise corrupt(f"The layer {digest} has the digest {actual}.")


class Gunzip:
    """Decompresses gzip, of one member or several, without ever holding more than a chunk."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        self._waiting = b""

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises: image.corrupt."""
        while True:
            if not self._waiting and not self._refill():
                return b""
            try:
                part = self._inflate.decompress(self._waiting, size)
            except zlib.error as error:
                raise corrupt(f"A layer can't be decompressed: {error}.") from error
            self._waiting = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._waiting = self._inflate.unused_data
                self._inflate = zlib.decompressobj(_GZIP_WINDOW)
            if part:
                return part

    def _refill(self) -> bool:
        self._waiting = self._source.read(CHUNK_BYTES)
        return bool(self._waiting)


class Unzstd:
    """Decompresses zstd, of one frame or several, in chunks."""

    def __init__(self, source: Readable) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
        # It wants no more of a file than `read`.
        self._stream = decompressor.stream_reader(
            source,  # type: ignore[arg-type]  # typed as a whole file
            read_size=CHUNK_BYTES,
            read_across_frames=True,
            closefd=False,
        )

    def read(self, size: int, /) -> bytes:
        """The next bytes. Raises: image.corrupt."""
        try:
            return self._stream.read(size)
        except zstandard.ZstdError as error:
            raise corrupt(f"A layer can't be decompressed: {error}.") from error


@dataclass(frozen=True, slots=True)
class Copying:
    """Writes what is read of a source to a file, too."""

    source: Readable
    file: RawIOBase

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        chunk = self.source.read(size)
        rest = memoryview(chunk)
        while rest:
            rest = rest[self.file.write(rest) or 0 :]
        return chunk


def decompressed(source: Readable, compression: Compression) -> Readable:
    """The bytes of a layer, whatever its blob is."""
    match compression:
        case Compression.NONE:
            return source
        case Compression.GZIP:
            return Gunzip(source)
        case Compression.ZSTD:
            return Unzstd(source)


class LayerStream:
    """Exact reads, forward only.

    Args:
        source: Decompressed bytes.
        limit_bytes: Of them all; a bomb ends there.
    """

    def __init__(self, source: Readable, *, limit_bytes: int) -> None:
        self._source = source
        self.left_bytes = limit_bytes
        self._ahead = memoryview(b"")
        self._content_left = 0

    def begin(self, size: int) -> None:
        """From here `content` gives the next `size` bytes, until `end` passes over the rest."""
        self._content_left = size

    def content(self) -> bytes:
        """The next bytes of the entry at hand; empty at its end. Raises: image.corrupt."""
        if self._content_left == 0:
            return b""
        if not self._fill():
            raise corrupt("A layer ends in the middle of an entry.")
        part = bytes(self._ahead[: self._content_left])
        self._ahead = self._ahead[len(part) :]
        self._content_left -= len(part)
        return part

    def end(self) -> None:
        """Pass over what is left of the entry's content. Raises: image.corrupt."""
        self.skip(self._content_left)
        self._content_left = 0

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes. Raises: image.corrupt when the layer ends before."""
        chunk = self.read(size)
        if len(chunk) != size:
            raise corrupt("A layer ends in the middle of an entry.")
        return chunk

    def read(self, size: int) -> bytes:
        """`size` bytes, less only at the end."""
        parts = []
        while size > 0 and self._fill():
            part = self._ahead[:size]
            self._ahead = self._ahead[len(part) :]
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def skip(self, size: int) -> None:
        """Pass over `size` bytes. Raises: image.corrupt when the layer ends before."""
        while size > 0:
            if not self._fill():
                raise corrupt("A layer ends in the middle of an entry.")
            step = min(size, len(self._ahead))
            self._ahead = self._ahead[step:]
            size -= step

    def drain(self) -> None:
        """Pass over the rest."""
        while self._fill():
            self._ahead = memoryview(b"")

    def _fill(self) -> bool:
        if not self._ahead:
            chunk = self._source.read(CHUNK_BYTES)
            self.left_bytes -= len(chunk)
            if self.left_bytes < 0:
                raise corrupt("The image has more bytes than an image may have.")
            self._ahead = memoryview(chunk)
        return bool(self._ahead)
