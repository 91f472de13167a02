# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.layout import SERIES
from guest.pins import Pin, PinError, format_pins, parse_pins

_LOCK = Path(__file__).parents[3] / "guest" / "pins.lock"
_WORDS = st.from_regex(r"[A-Za-z0-9.+~:_-]+", fullmatch=True)
_PINS = st.builds(
    Pin,
    series=_WORDS,
    package=_WORDS,
    version=_WORDS,
    architecture=_WORDS,
    sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
)


@given(st.lists(_PINS, unique_by=lambda pin: pin.series))
def test_a_lock_reads_back_sorted(pins: list[Pin]) -> None:
    assert parse_pins(format_pins(pins)) == tuple(sorted(pins))


@pytest.mark.parametrize(
    "text",
    [
        "busybox busybox 1.0 amd64\n",
        "busybox busybox 1.0 amd64 0123\n",
        f"busy;box busybox 1.0 amd64 {'0' * 64}\n",
        f"a a 1 amd64 {'0' * 64}\na b 1 amd64 {'0' * 64}\n",
    ],
)
def test_a_damaged_lock_is_refused(text: str) -> None:
    with pytest.raises(PinError):
        parse_pins(text)


def test_the_lock_has_every_series_once() -> None:
    assert sorted(pin.series for pin in parse_pins(_LOCK.read_text())) == sorted(SERIES)


def test_the_lock_names_no_place() -> None:
    assert "://" not in _LOCK.read_text()
