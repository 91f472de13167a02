# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.jsonc import strip_jsonc

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('a,}]/*"\\ \n', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a/*", max_size=2), inner),
    max_leaves=10,
)
NOISE = st.sampled_from(["", " ", "\n", "/* , } */", "// ,]\n", "/**/", '/* " */', '// "\n'])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2, ]", "[1, 2 ]"),
        ("[1, /* last */ ]", "[1  ]"),
        ("[1] /* no end", "[1] "),
        ("[1] // no end", "[1] "),
        ('["no end, }', '["no end, }'),
        ('["a\\\\", // b\n]', '["a\\\\" \n]'),
        ("/*/ 1 */ 2", " 2"),
        ("1 / 2", "1 / 2"),
    ],
)
def test_corners(text: str, expected: str) -> None:
    assert strip_jsonc(text) == expected


@given(VALUES, st.data())
def test_what_was_written_is_read_whatever_stands_between(
    value: object, data: st.DataObject
) -> None:
    assert json.loads(strip_jsonc(noisy(value, data))) == value


@given(st.text('{}[],:"\\/* \n1a', max_size=60))
def test_any_text_is_stripped_and_no_string_is_touched(text: str) -> None:
    assert len(strip_jsonc(text)) <= len(text)


@given(VALUES)
def test_plain_json_stays_as_it_is(value: object) -> None:
    text = json.dumps(value, indent=1)
    assert strip_jsonc(text) == text


def noisy(value: object, data: st.DataObject) -> str:
    """A value as JSON with comments and trailing commas where they may stand."""

    def space() -> str:
        return data.draw(NOISE)

    match value:
        case dict():
            parts = [
                f"{space()}{json.dumps(k)}{space()}:{noisy(v, data)}" for k, v in value.items()
            ]
            return "{" + _joined(parts, space) + "}" + space()
        case list():
            return "[" + _joined([noisy(each, data) for each in value], space) + "]" + space()
        case _:
            return f"{space()}{json.dumps(value)}{space()}"


def _joined(parts: list[str], space: Callable[[], str]) -> str:
    return "".join(f"{part},{space()}" for part in parts)
