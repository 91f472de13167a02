# SPDX-License-Identifier: Apache-2.0
from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.settings import SettingsFormat
from bbox_server.infra.settings.formats import UnusableFileError, parse, serialized

LEAVES = (
    st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(codec="utf-8"), max_size=6)
)
NAMES = st.text(st.characters(codec="utf-8"), max_size=4)
FIELDS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(FIELDS, st.sampled_from(SettingsFormat))
def test_what_is_written_is_read(fields: dict[str, object], written_as: SettingsFormat) -> None:
    assert parse(serialized(fields, written_as), written_as) == fields


@given(st.binary(max_size=80), st.sampled_from(SettingsFormat))
def test_any_bytes_are_fields_or_refused(content: bytes, written_as: SettingsFormat) -> None:
    with suppress(UnusableFileError):
        assert isinstance(parse(content, written_as), dict)


@given(st.text("{}[]:,-\"'&*!#| \n\ta1=.", max_size=60), st.sampled_from(SettingsFormat))
def test_any_text_is_fields_or_refused(text: str, written_as: SettingsFormat) -> None:
    with suppress(UnusableFileError):
        assert isinstance(parse(text.encode(), written_as), dict)


@pytest.mark.parametrize("written_as", SettingsFormat)
def test_an_empty_file_has_no_fields(written_as: SettingsFormat) -> None:
    assert parse(b"\xef\xbb\xbf\n", written_as) == {}


@pytest.mark.parametrize(
    ("content", "written_as", "reason"),
    [
        (b'{\n"a": }', SettingsFormat.JSON, "it is no JSON (line 2)"),
        (b'{"a": NaN}', SettingsFormat.JSON, "NaN is no number"),
        (b'{"a": 1} // x', SettingsFormat.JSON, "it is no JSON"),
        (b"a: [", SettingsFormat.YAML, "it is no YAML"),
        (b"a = ", SettingsFormat.TOML, "it is no TOML"),
        (b"- a", SettingsFormat.YAML, "no mapping at its top"),
        (b"1: a", SettingsFormat.YAML, "a name in it is no text"),
        (b"!!python/object/apply:os.system [id]", SettingsFormat.YAML, "it is no YAML"),
        (b"\xff", SettingsFormat.JSON, "it is no JSON"),
        (b"[" * 100_000, SettingsFormat.JSON, "too deep"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, SettingsFormat.JSON, "more fields"),
    ],
)
def test_what_is_wrong_is_said(content: bytes, written_as: SettingsFormat, reason: str) -> None:
    with pytest.raises(UnusableFileError, match=reason.replace("(", r"\(").replace(")", r"\)")):
        parse(content, written_as)


def test_aliases_do_not_make_a_small_file_a_large_value() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for number in range(1, 9):
        many = ", ".join([f"*a{number - 1}"] * 10)
        lines.append(f"a{number}: &a{number} [{many}]")
    with pytest.raises(UnusableFileError, match="more fields"):
        parse("\n".join(lines).encode(), SettingsFormat.YAML)


def test_dates_of_toml_stay_dates() -> None:
    fields = parse(b"since = 2026-11-25\n", SettingsFormat.TOML)
    assert fields == {"since": date(2026, 11, 25)}
    assert parse(serialized(fields, SettingsFormat.TOML), SettingsFormat.TOML) == fields
