# SPDX-License-Identifier: Apache-2.0
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.escape import escape_line, escape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("src/main.py", "src/main.py"),
        ("Größe 測試 ✓ 🦊", "Größe 測試 ✓ 🦊"),
        ("back\\slash", "back\\slash"),
        ("line\nbreak\r", "line\\nbreak\\r"),
        ("tab\t", "tab\\t"),
        ("\x1b]52;c;AAAA\x07", "\\x1b]52;c;AAAA\\x07"),
        ("\x7f\x00", "\\x7f\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("a\u200bb\u200dc\ufeff", "a\\u200bb\\u200dc\\ufeff"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("a\u00a0b\u3000c", "a\\xa0b\\u3000c"),
        ("\u3164\u115f\u2800", "\\u3164\\u115f\\u2800"),
        ("\U000e0041", "\\U000e0041"),
        ("\ue000", "\\ue000"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_deceive_is_shown(text: str, shown: str) -> None:
    assert escape_text(text) == shown


def test_a_line_of_a_file_keeps_its_tabs() -> None:
    assert escape_line("\tall:\x1b\r") == "\tall:\\x1b\\r"


@given(st.text(alphabet=st.characters(), max_size=40))
def test_what_is_shown_is_one_visible_line(text: str) -> None:
    shown = escape_text(text)
    assert shown.isprintable()
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(st.binary(max_size=40))
def test_any_name_on_a_disk_can_be_shown(name: bytes) -> None:
    shown = escape_text(name.decode("utf-8", "surrogateescape"))
    assert shown.encode("utf-8").decode("utf-8").isprintable()
