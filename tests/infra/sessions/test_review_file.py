# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.review import ReviewState, Verdict
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.sessions.review_file import ReviewFile
from bbox_server.infra.sessions.review_record import decode_review, encode_review

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", b'{"format": 2}'])
async def test_a_damaged_review_is_an_error_and_stays_where_it_is(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "review.json").write_bytes(content)

    with pytest.raises(BboxError) as caught:
        await ReviewFile(directory=HostPath(str(tmp_path))).load()

    assert caught.value.code is ErrorCode.SESSION_CORRUPT
    assert (tmp_path / "review.json").read_bytes() == content


async def test_a_crash_while_saving_leaves_the_last_review(tmp_path: Path) -> None:
    reviews = ReviewFile(directory=HostPath(str(tmp_path)))
    state = ReviewState(verdicts={"change": Verdict.ACCEPTED})
    await reviews.save(state)

    (tmp_path / "review.json.part").write_bytes(b"half of the ne")

    assert await reviews.load() == state


async def test_a_content_that_was_changed_is_found_out(tmp_path: Path) -> None:
    reviews = ReviewFile(directory=HostPath(str(tmp_path)))
    digest = await reviews.put(b"content")
    (tmp_path / "contents" / digest).write_bytes(b"Content")

    with pytest.raises(BboxError) as caught:
        await reviews.get(digest)

    assert caught.value.code is ErrorCode.SESSION_CORRUPT


async def test_reviews_and_contents_are_for_their_owner_alone(tmp_path: Path) -> None:
    reviews = ReviewFile(directory=HostPath(str(tmp_path)))
    digest = await reviews.put(b"content")
    await reviews.save(ReviewState())

    modes = [
        (tmp_path / name).stat().st_mode & 0o777
        for name in ("review.json", "contents", f"contents/{digest}")
    ]

    assert modes == [0o600, 0o700, 0o600]


@given(value=json_values, key=st.sampled_from(sorted(ReviewState.__slots__)))
def test_any_other_json_is_a_review_or_an_error(value: object, key: str) -> None:
    whole = json.loads(encode_review(ReviewState())) | {key: value}
    try:
        state = decode_review(json.dumps(whole).encode())
    except BboxError as error:
        raised = error.code
    else:
        assert decode_review(encode_review(state)) == state
        return
    assert raised is ErrorCode.SESSION_CORRUPT
