# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.fields import FieldFilter, merged, names_secret, without_secrets

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)


def test_a_denied_name_is_taken_out_at_any_depth_and_in_lists() -> None:
    fields = {"provider": {"x": [{"apiKey": 1, "n": 1}], "apiKey": 2}, "other": {"apiKey": 3}}
    found = FieldFilter(deny={"provider": ("*.apiKey",)}).apply(fields)
    assert found == {"provider": {"x": [{"n": 1}]}, "other": {"apiKey": 3}}


def test_a_plain_denied_name_is_taken_out_of_the_members_only() -> None:
    fields = {"provider": {"token": 1, "x": {"token": 2}}}
    found = FieldFilter(allow=("provider",), deny={"provider": ("token",)}).apply(fields)
    assert found == {"provider": {"x": {"token": 2}}}


def test_a_denial_of_what_is_not_there_or_is_no_mapping_is_no_matter() -> None:
    filtered = FieldFilter(deny={"gone": ("*.k",), "a": ("k",)}).apply({"a": "text"})
    assert filtered == {"a": "text"}


@given(FIELDS, st.sets(st.sampled_from("abc"), min_size=1))
def test_nothing_passes_that_is_not_allowed(fields: dict[str, object], allowed: set[str]) -> None:
    assert FieldFilter(allow=tuple(allowed)).apply(fields).keys() <= allowed


@given(FIELDS, FIELDS)
def test_the_upper_fields_are_all_there_after_a_merge(
    below: dict[str, object], above: dict[str, object]
) -> None:
    both = merged(below, above)
    assert merged(both, above) == both
    assert both.keys() == below.keys() | above.keys()


def test_beyond_its_depth_a_mapping_is_replaced() -> None:
    below: object = {"x": 1}
    above: object = {"y": 2}
    for _ in range(9):
        below, above = {"n": below}, {"n": above}
    both: object = merged({"n": below}, {"n": above})
    for _ in range(10):
        assert isinstance(both, dict)
        both = both["n"]
    assert both == {"y": 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("apiKey", "x"), ("API_KEY", "x"), ("OPENAI-API-KEY", "x"), ("accessToken", "x")],
        *[("client_secret", "x"), ("dbPassword", "x"), ("Authorization", "x"), ("cookie", "x")],
        *[("credentials", {"user": "u"}), ("token", ["x"])],
        *[("note", f"use sk-{'x' * 20}"), ("url", "https://me:pw@host/")],
        *[("x", "ghp_0123456789abcdefghijABCDEFGHIJ"), ("h", "Bearer 0123456789abcdef0123")],
        ("pem", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"),
    ],
)
def test_what_looks_like_a_credential_is_left_out_and_its_place_is_told(
    name: str, value: object
) -> None:
    kept, found = without_secrets({"a": {"list": [{name: value, "ok": 1}]}})
    assert kept == {"a": {"list": [{"ok": 1}]}}
    assert found == (f"a.list[0].{name}",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("maxTokens", "4096"), ("max_token", 4096), ("tokens", ["a"]), ("saveToken", True)],
        *[("apiKey", ""), ("apiKey", "{env:OPENAI_API_KEY}"), ("token", "${GH_TOKEN}")],
        *[
            ("key", "ctrl+x"),
            ("author", "me"),
            ("skill", "sk-short"),
            ("url", "https://host/a:b@c"),
        ],
        ("secretary", "x"),
    ],
)
def test_other_fields_stay(name: str, value: object) -> None:
    assert without_secrets({name: value}) == ({name: value}, ())


@given(FIELDS)
def test_taking_secrets_out_twice_finds_none_the_second_time(fields: dict[str, object]) -> None:
    kept, _ = without_secrets(fields)
    assert without_secrets(kept) == (kept, ())
    json.dumps(kept)


def test_names_of_variables_are_told_by_their_end() -> None:
    names = ["ANTHROPIC_API_KEY", "GH_TOKEN", "DB_PASSWORD", "HOME", "TOKENIZERS", "KEYBOARD"]
    assert [names_secret(name) for name in names] == [True, True, True, False, False, False]
