# SPDX-License-Identifier: Apache-2.0
"""A session's review on disk: review.json, and contents by their digest beside it."""

import asyncio
import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import ReviewState, ReviewStore
from bbox_server.domain.workspace import Digest, HostPath, digest_of
from bbox_server.infra.sessions.review_record import decode_review, encode_review
from bbox_server.infra.sessions.store import replace_durably

_REVIEW: Final = "review.json"
_CONTENTS: Final = "contents"

_libc: Final = ctypes.CDLL(None, use_errno=True)


class ReviewFile(ReviewStore):
    """Keeps a review in its session's directory. The session's holder is the only writer."""

    def __init__(self, *, directory: HostPath) -> None:
        self._file = Path(directory) / _REVIEW
        self._contents = Path(directory) / _CONTENTS
        self._unsynced = False

    @override
    async def load(self) -> ReviewState:
        return await asyncio.to_thread(self._load)

    @override
    async def save(self, state: ReviewState) -> None:
        await asyncio.to_thread(self._save, encode_review(state))

    @override
    async def put(self, content: bytes) -> Digest:
        digest = digest_of(content)
        await asyncio.to_thread(self._put, digest, content)
        return digest

    @override
    async def get(self, digest: Digest) -> bytes:
        return await asyncio.to_thread(self._get, digest)

    def _load(self) -> ReviewState:
        try:
            return decode_review(self._file.read_bytes())
        except FileNotFoundError:
            return ReviewState()

    def _save(self, content: bytes) -> None:
        with _no_room(self._file):
            if self._unsynced:
                # What a review speaks of is on the disk before it: one sync for many contents.
                _sync_file_system(self._contents)
                self._unsynced = False
            replace_durably(self._file, content)

    def _put(self, digest: Digest, content: bytes) -> None:
        target = self._contents / digest
        with suppress(FileNotFoundError):
            if target.stat().st_size == len(content):
                return
        with _no_room(target):
            self._contents.mkdir(mode=0o700, exist_ok=True)
            part = target.with_name(f"{digest}.part")
            part.touch(mode=0o600)
            part.write_bytes(content)
            self._unsynced = True
            part.replace(target)

    def _get(self, digest: Digest) -> bytes:
        try:
            content = (self._contents / digest).read_bytes()
        except FileNotFoundError:
            content = b""
        if digest_of(content) != digest:
            raise BboxError(
                ErrorCode.SESSION_CORRUPT,
                cause=f"The kept content {digest[:12]} is missing or damaged.",
                remediation="Decide on the file again; its edit or its base is lost.",
            )
        return content


@contextmanager
def _no_room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise BboxError(
            ErrorCode.DISK_FULL,
            cause=f"{path} can't be written.",
            remediation="Make space in the state directory, then repeat the decision.",
        ) from error


def _sync_file_system(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)
