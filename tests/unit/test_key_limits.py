# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.key_limits import KeyLimits, KeyUse

MIB = 1 << 20


def use(**limits: int) -> KeyUse:
    return KeyUse(limits=KeyLimits(**limits))


def test_nothing_is_limited_unless_it_is_said() -> None:
    session = use()
    session.add(1 << 40)
    assert [session.take(0.0) for _ in range(1000)] == [None] * 1000


def test_the_requests_of_a_session_are_counted() -> None:
    session = use(requests=2)
    assert [session.take(0.0), session.take(0.0)] == [None, None]
    over = session.take(1e9)
    assert over is not None
    assert (over.text, over.wait_s) == (
        "The session's 2 requests (keys.requests) are used up.",
        None,
    )


def test_the_data_of_a_session_is_counted_when_it_has_passed() -> None:
    session = use(data=1024)
    session.add(1024 * MIB - 1)
    assert session.take(0.0) is None
    session.add(1)
    over = session.take(0.0)
    assert over is not None
    assert over.text == "The session's 1g (keys.data) are used up."


def test_too_many_at_once_come_back_one_by_one() -> None:
    session = use(requests_per_minute=60)
    assert [session.take(100.0) for _ in range(60)] == [None] * 60
    over = session.take(100.0)
    assert over is not None
    assert over.wait_s == pytest.approx(1.0)
    assert session.take(101.001) is None
    assert session.take(101.001) is not None


def test_a_refused_request_is_not_counted() -> None:
    session = use(requests=2, requests_per_minute=1)
    assert session.take(0.0) is None
    assert session.take(0.0) is not None
    assert session.requests == 1


@given(
    rate=st.integers(1, 30),
    steps=st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=200),
)
def test_no_minute_has_more_than_twice_its_rate(rate: int, steps: list[float]) -> None:
    session, now, passed = use(requests_per_minute=rate), 0.0, []
    for step in steps:
        now += step
        if session.take(now) is None:
            passed.append(now)
    assert all(sum(1 for at in passed if 0 <= at - start <= 60) <= 2 * rate for start in passed)


@given(rate=st.integers(1, 1000), steps=st.lists(st.floats(0, 90), max_size=100))
def test_who_waits_as_long_as_is_said_is_let_through(rate: int, steps: list[float]) -> None:
    session, now = use(requests_per_minute=rate), 0.0
    for step in steps:
        now += step
        over = session.take(now)
        if over is not None:
            assert over.wait_s is not None
            now += over.wait_s + 0.001
            assert session.take(now) is None
