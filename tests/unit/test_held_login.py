# SPDX-License-Identifier: Apache-2.0
"""Files of logins: what is read of them, and what a renewal writes."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.held_login import (
    Lasting,
    LoginForm,
    read_tokens,
    renewal_request,
    renewed_file,
)
from bbox_server.domain.secret import Secret

NOW_S = 1_800_000_000.0


def jwt(until_s: object) -> str:
    payload = urlsafe_b64encode(json.dumps({"exp": until_s}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"


CLAUDE: dict[str, Any] = {
    "claudeAiOauth": {
        "accessToken": "access-1",
        "refreshToken": "refresh-1",
        "expiresAt": 1_800_000_000_000,
        "scopes": ["user:inference"],
        "subscriptionType": "max",
    },
    "other": {"kept": True},
}
CODEX: dict[str, Any] = {
    "auth_mode": "chatgpt",
    "OPENAI_API_KEY": None,
    "tokens": {
        "id_token": "id-1",
        "access_token": jwt(1_800_000_500),
        "refresh_token": "refresh-1",
        "account_id": "account-1",
    },
    "last_refresh": "2026-11-01T00:00:00Z",
}


def encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def test_claudes_login_is_read() -> None:
    tokens = read_tokens(LoginForm.CLAUDE, encoded(CLAUDE))
    assert tokens is not None
    assert (tokens.access.value, tokens.expires_at_s) == ("access-1", 1_800_000_000)
    assert tokens.refresh == Secret(value="refresh-1")


def test_codexs_login_is_read_and_its_token_tells_when_it_ends() -> None:
    tokens = read_tokens(LoginForm.CODEX, encoded(CODEX))
    assert tokens is not None
    assert (tokens.account, tokens.expires_at_s) == ("account-1", 1_800_000_500)
    assert not tokens.is_key


def test_a_key_in_codexs_file_is_a_key() -> None:
    tokens = read_tokens(LoginForm.CODEX, encoded({"OPENAI_API_KEY": "sk-1", "tokens": None}))
    assert tokens is not None
    assert (tokens.access.value, tokens.is_key, tokens.refresh) == ("sk-1", True, None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"claudeAiOauth": 1, "tokens": 1}',
        b'{"claudeAiOauth": {"accessToken": ""}, "tokens": {"access_token": ""}}',
        b'{"claudeAiOauth": {"accessToken": "a\\r\\nX: y"}, "OPENAI_API_KEY": "a b"}',
        b'{"claudeAiOauth": {"accessToken": "a", "refreshToken": 1}, "tokens": []}',
    ],
)
@pytest.mark.parametrize("form", LoginForm)
def test_what_can_not_be_used_is_no_login(form: LoginForm, content: bytes) -> None:
    assert read_tokens(form, content) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
NAMES = st.sampled_from(
    ["claudeAiOauth", "tokens", "accessToken", "access_token", "expiresAt", "OPENAI_API_KEY"]
)
SHAPED = st.dictionaries(NAMES, st.dictionaries(NAMES, JSON) | JSON)


@given(content=st.binary() | SHAPED.map(encoded), form=st.sampled_from(LoginForm))
def test_any_file_is_a_login_or_none(content: bytes, form: LoginForm) -> None:
    tokens = read_tokens(form, content)
    assert tokens is None or tokens.access.value.isprintable()


@given(answer=st.binary() | JSON.map(encoded), form=st.sampled_from(LoginForm))
def test_any_answer_gives_a_login_or_nothing(answer: bytes, form: LoginForm) -> None:
    before = encoded(CLAUDE if form is LoginForm.CLAUDE else CODEX)
    renewed = renewed_file(form, before, answer, NOW_S)
    assert renewed is None or read_tokens(form, renewed) is not None


def test_a_renewal_of_claudes_keeps_all_else() -> None:
    answer = encoded({"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 60})
    renewed = renewed_file(LoginForm.CLAUDE, encoded(CLAUDE), answer, NOW_S)
    assert renewed is not None
    login = {
        **CLAUDE["claudeAiOauth"],
        "accessToken": "access-2",
        "refreshToken": "refresh-2",
        "expiresAt": 1_800_000_060_000,
    }
    assert json.loads(renewed) == {**CLAUDE, "claudeAiOauth": login}


def test_a_renewal_of_codexs_replaces_what_was_given() -> None:
    answer = encoded({"access_token": jwt(1_800_009_000), "id_token": "id-2"})
    renewed = renewed_file(LoginForm.CODEX, encoded(CODEX), answer, NOW_S)
    assert renewed is not None
    document = json.loads(renewed)
    assert document["tokens"] == {
        **CODEX["tokens"],
        "access_token": jwt(1_800_009_000),
        "id_token": "id-2",
    }
    assert document["last_refresh"] == "2027-01-15T08:00:00.000000Z"


def test_a_renewal_is_asked_for_as_the_agent_itself() -> None:
    body = renewal_request(LoginForm.CLAUDE, Secret(value="refresh-1"))
    assert (body["grant_type"], body["refresh_token"]) == ("refresh_token", "refresh-1")
    assert body["client_id"]


def test_a_token_lasts_until_shortly_before_its_end() -> None:
    token = Lasting(access=Secret(value="a"), expires_at_s=1000)
    assert token.lasts(699)
    assert not token.lasts(701)
    assert Lasting(access=Secret(value="a")).lasts(1e12)


def test_nothing_shows_a_token() -> None:
    assert "access-1" not in repr(read_tokens(LoginForm.CLAUDE, encoded(CLAUDE)))
