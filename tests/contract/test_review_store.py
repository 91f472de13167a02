# SPDX-License-Identifier: Apache-2.0
from pathlib import Path, PurePosixPath

import pytest

from bbox_server.domain.change import ChangeId, Entry, EntryKind, Tier
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId
from bbox_server.domain.rebase import FlushedBase
from bbox_server.domain.review import (
    Edit,
    FlushedStep,
    ReviewState,
    ReviewStore,
    Step,
    Verdict,
)
from bbox_server.domain.workspace import HostPath, digest_of
from bbox_server.infra.sessions.review_file import ReviewFile
from tests.fakes.review import MemoryReviews

FILE = Entry(kind=EntryKind.FILE, mode=0o755, size=3, digest=digest_of(b"abc"))
LINK = Entry(kind=EntryKind.SYMLINK, mode=0o777, size=1, link_target="x\udcff")
EDIT = Edit(base=digest_of(b"a"), content=digest_of(b"b"))
BASE = FlushedBase(original=None, accepted=FILE, tier=Tier.BUILD_FILE)
FULL = ReviewState(
    verdicts={"hunk": Verdict.ACCEPTED, "change": Verdict.REJECTED},
    edits={ChangeId("edited"): EDIT},
    failures={ChangeId("failed"): "no space left: Ü \udcff"},
    history=(
        Step(verdicts={"hunk": None, "change": Verdict.ACCEPTED}, edits={}),
        Step(verdicts={}, edits={ChangeId("edited"): None, ChangeId("other"): EDIT}),
    ),
    bases={
        PurePosixPath("a\nb"): BASE,
        PurePosixPath("\udcff/x"): FlushedBase(original=LINK, accepted=None, tier=Tier.ORDINARY),
    },
    flushes=(
        FlushedStep(
            flush=FlushId(3), bases={PurePosixPath("a\nb"): None, PurePosixPath("c"): BASE}
        ),
    ),
)


@pytest.fixture(params=["fake", "disk"])
def reviews(request: pytest.FixtureRequest, tmp_path: Path) -> ReviewStore:
    if request.param == "fake":
        return MemoryReviews()
    return ReviewFile(directory=HostPath(str(tmp_path)))


async def test_a_new_session_has_an_empty_review(reviews: ReviewStore) -> None:
    assert await reviews.load() == ReviewState()


async def test_what_is_saved_is_loaded(reviews: ReviewStore) -> None:
    await reviews.save(FULL)

    assert await reviews.load() == FULL

    await reviews.save(ReviewState())
    assert await reviews.load() == ReviewState()


@pytest.mark.parametrize("content", [b"", b"\0\xff" * 1000])
async def test_contents_are_kept_under_their_digest(reviews: ReviewStore, content: bytes) -> None:
    digest = await reviews.put(content)
    await reviews.put(content)

    assert digest == digest_of(content)
    assert await reviews.get(digest) == content


async def test_a_content_that_is_not_there_is_a_damaged_session(reviews: ReviewStore) -> None:
    with pytest.raises(BboxError) as caught:
        await reviews.get(digest_of(b"never kept"))

    assert caught.value.code is ErrorCode.SESSION_CORRUPT
