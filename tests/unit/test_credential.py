# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.credential import (
    ANTHROPIC,
    GOOGLE,
    OPENAI,
    OPENROUTER,
    CredentialUse,
    checked_upstream,
    find_key,
    is_loopback,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.secret import Secret


def test_the_first_variable_that_is_set_gives_the_key() -> None:
    served = find_key(GOOGLE, {"GOOGLE_API_KEY": "second", "GEMINI_API_KEY": " first\n"})
    assert served.key == Secret(value="first")


@pytest.mark.parametrize("environ", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": " \n"}])
def test_a_missing_key_names_the_variable_and_what_to_do(environ: dict[str, str]) -> None:
    with pytest.raises(BboxError) as failure:
        find_key(OPENAI, environ)
    assert failure.value.code is ErrorCode.CREDENTIAL_MISSING
    assert "OPENAI_API_KEY, CODEX_API_KEY" in failure.value.cause
    assert "export OPENAI_API_KEY" in failure.value.remediation


@pytest.mark.parametrize("value", ["two\r\nHost: evil", "a b", "schlüssel", "nul\0"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(BboxError) as failure:
        find_key(ANTHROPIC, {"ANTHROPIC_API_KEY": value})
    assert value not in str(failure.value)


def test_no_representation_shows_a_key() -> None:
    served = find_key(OPENROUTER, {"OPENROUTER_API_KEY": "sk-or-very-private"})
    assert "very-private" not in f"{served!r} {served} {[served]}"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("https://api.example.com:8443", "https://api.example.com:8443"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:1/v1", "http://[::1]:1/v1"),
    ],
)
def test_an_upstream_is_https_or_this_host(url: str, expected: str) -> None:
    assert checked_upstream(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com",
        "http://api.example.com/v1",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "ftp://localhost",
        "https://user@api.example.com",
        "https://user:password@api.example.com",
        "https://api.example.com/v1?key=x",
        "https://api.example.com/v1#x",
        "https://api.example.com:port",
        "https://[::1",
        "https:///v1",
        "https://api.example.com\r\nX: y",
        "https://api.example.com\\@evil.example",
        "https://bücher.example",
    ],
)
def test_an_upstream_that_could_give_the_key_away_is_refused(url: str) -> None:
    with pytest.raises(BboxError) as failure:
        checked_upstream(url)
    assert failure.value.code is ErrorCode.CREDENTIAL_INVALID_ROUTE


@given(st.text(max_size=60))
def test_any_text_as_an_upstream_is_taken_or_refused(url: str) -> None:
    try:
        taken = checked_upstream(url)
    except BboxError:
        return
    assert taken.isascii()


def test_loopback_is_an_address_or_the_one_name() -> None:
    assert is_loopback("127.8.9.1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("loopback.example")


def test_a_route_at_another_base_url_keeps_its_mount() -> None:
    moved = OPENAI.to("http://127.0.0.1:9/v1")
    assert (moved.mount, moved.upstream) == ("/openai/v1", "http://127.0.0.1:9/v1")


def test_the_fields_of_an_event_are_all_of_a_use() -> None:
    use = CredentialUse(
        provider="openai",
        method="GET",
        path="/openai/v1/models",
        status=200,
        up_bytes=0,
        down_bytes=10,
        elapsed_ms=3,
    )
    assert set(use.fields()) == set(CredentialUse.__slots__)
