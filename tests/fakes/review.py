# SPDX-License-Identifier: Apache-2.0
"""A review store in memory."""

from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import ReviewState, ReviewStore
from bbox_server.domain.workspace import Digest, digest_of


@dataclass(kw_only=True)
class MemoryReviews(ReviewStore):
    """Keeps what is saved as long as it lives."""

    state: ReviewState = field(default_factory=ReviewState)
    contents: dict[Digest, bytes] = field(default_factory=dict)

    @override
    async def load(self) -> ReviewState:
        return self.state

    @override
    async def save(self, state: ReviewState) -> None:
        self.state = state

    @override
    async def put(self, content: bytes) -> Digest:
        digest = digest_of(content)
        self.contents[digest] = content
        return digest

    @override
    async def get(self, digest: Digest) -> bytes:
        if digest not in self.contents:
            raise BboxError(
                ErrorCode.SESSION_CORRUPT,
                cause=f"There is no content {digest}.",
                remediation="Decide on the file again.",
            )
        return self.contents[digest]
