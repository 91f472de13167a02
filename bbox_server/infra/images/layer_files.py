# SPDX-License-Identifier: Apache-2.0
"""Blobs of layers on the disk: whole and verified, or a part that a next download goes on with."""

import asyncio
import fcntl
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from typing_extensions import override

from bbox_server.domain.image import LayerCache
from bbox_server.domain.workspace import Digest
from bbox_server.infra.images.faults import corrupt, disk_full, is_disk_full, unusable
from bbox_server.infra.images.manifest import BlobDescriptor

_PART: Final = ".part"
_NAME: Final = re.compile(r"[0-9a-f]{64}(?:\.part)?")
_READ_BYTES: Final = 1024 * 1024
_LOCK_PAUSE_S: Final = 0.2


class PartialBlob:
    """The part of a blob that is here already, and what is added to it.

    Blocking; the caller is in a thread. A descriptor's lock keeps other processes out.
    """

    def __init__(self, fd: int, path: Path, descriptor: BlobDescriptor) -> None:
        self._fd = fd
        self._path = path
        self._descriptor = descriptor
        self._hash = hashlib.sha256()
        self.length_bytes = 0

    def read_back(self) -> Self:
        """Hash what an earlier download left; more than there should be is thrown away."""
        if os.fstat(self._fd).st_size > self._descriptor.size_bytes:
            self.clear()
        os.lseek(self._fd, 0, os.SEEK_SET)
        while chunk := os.read(self._fd, _READ_BYTES):
            self._hash.update(chunk)
            self.length_bytes += len(chunk)
        return self

    def clear(self) -> None:
        """Begin again."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self._hash = hashlib.sha256()
        self.length_bytes = 0

    def add(self, chunk: bytes) -> None:
        """Write the next bytes. Raises: image.corrupt when they are too many, disk.full."""
        if self.length_bytes + len(chunk) > self._descriptor.size_bytes:
            self.clear()
            raise corrupt(f"The layer {self._descriptor.digest} is larger than its manifest says.")
        self._hash.update(chunk)
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            if is_disk_full(error):
                raise disk_full(self._path.parent) from error
            raise unusable(self._path, error) from error
        self.length_bytes += len(chunk)

    @property
    def is_complete(self) -> bool:
        """Whether all bytes are there."""
        return self.length_bytes == self._descriptor.size_bytes

    def publish(self) -> bool:
        """Give the blob its name if it is what it should be; else begin again, and False."""
        if self._hash.hexdigest() != self._descriptor.digest:
            self.clear()
            return False
        os.fchmod(self._fd, 0o444)
        os.fsync(self._fd)
        self._path.rename(self._path.with_suffix(""))
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFiles(LayerCache):
    """A directory of blobs, named by their digests. Several processes may use it."""

    root: Path

    def find(self, digest: Digest) -> Path | None:
        """The whole blob, if it is here; then it counts as used."""
        path = self.root / digest
        if not path.is_file():
            return None
        with suppress(PermissionError):
            os.utime(path)
        return path

    @asynccontextmanager
    async def partial(self, descriptor: BlobDescriptor) -> AsyncIterator[PartialBlob | None]:
        """What is here of a blob; None when another process has completed it meanwhile.

        Raises:
            BboxError: disk.full.
        """
        path = self.root / f"{descriptor.digest}{_PART}"
        fd = await self._locked(path, descriptor.digest)
        if fd is None:
            yield None
            return
        try:
            yield await asyncio.to_thread(PartialBlob(fd, path, descriptor).read_back)
        finally:
            os.close(fd)

    async def _locked(self, path: Path, digest: Digest) -> int | None:
        self.root.mkdir(parents=True, exist_ok=True)
        while self.find(digest) is None:
            try:
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                if is_disk_full(error):
                    raise disk_full(self.root) from error
                raise
            if _lock(fd) and _is_at(fd, path):
                return fd
            os.close(fd)
            await asyncio.sleep(_LOCK_PAUSE_S)
        return None

    @override
    def size_bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    @override
    def remove(self, unused_since_ns: int) -> int:
        freed = 0
        for path, size, used_ns in self._files():
            if used_ns < unused_since_ns and _remove_unlocked(path):
                freed += size
        return freed

    def _files(self) -> Iterator[tuple[Path, int, int]]:
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.root):
                if _NAME.fullmatch(entry.name):
                    with suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield Path(entry.path), status.st_size, status.st_mtime_ns


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(fd: int, path: Path) -> bool:
    """Whether the file that was locked still has the name that it was opened by."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    own = os.fstat(fd)
    return (own.st_dev, own.st_ino) == (found.st_dev, found.st_ino)


def _remove_unlocked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not _lock(fd):
            return False
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(fd)
