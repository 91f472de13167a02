# SPDX-License-Identifier: Apache-2.0
"""A session's review on disk: review.json, and contents by their digest beside it."""

import asyncio
import errno
from contextlib import suppress
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


class ReviewFile(ReviewStore):
    """Keeps a review in its session's directory. The session's holder is the only writer."""

    def __init__(self, *, directory: HostPath) -> None:
        self._file = Path(directory) / _REVIEW
        self._contents = Path(directory) / _CONTENTS

    @override
    async def load(self) -> ReviewState:
        return await asyncio.to_thread(self._load)

    @override
    async def save(self, state: ReviewState) -> None:
        await asyncio.to_thread(self._replace, self._file, encode_review(state))

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

    def _put(self, digest: Digest, content: bytes) -> None:
        self._contents.mkdir(mode=0o700, exist_ok=True)
        target = self._contents / digest
        with suppress(FileNotFoundError):
            if target.stat().st_size == len(content):
                return
        self._replace(target, content)

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

    def _replace(self, path: Path, content: bytes) -> None:
        try:
            replace_durably(path, content)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise BboxError(
                ErrorCode.DISK_FULL,
                cause=f"{path} can't be written.",
                remediation="Make space in the state directory, then repeat the decision.",
            ) from error
