# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.credential import (
    ANTHROPIC,
    GOOGLE,
    OPENAI,
    ApiKey,
    KeyHeader,
    ServedRoute,
)
from bbox_server.domain.forwarding import (
    BodyScrubber,
    audit_path,
    find_route,
    holds_placeholder,
    may_ask,
    request_headers,
    response_headers,
    upstream_url,
)
from bbox_server.domain.secret import Secret

KEY = "sk-real-key"
SERVED = ServedRoute(route=OPENAI, key=Secret(value=KEY))
BASE = "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/openai/v1", ""),
        ("/openai/v1/", "/"),
        ("/openai/v1/responses", "/responses"),
        ("/openai/v1/responses/", "/responses/"),
        ("/openai/v1/models?limit=2&after=x", "/models?limit=2&after=x"),
        ("/openai/v1/models/gpt:tuned", "/models/gpt:tuned"),
        ("/openai/v1/files/a%20b", "/files/a%20b"),
        ("/openai/v1/files/..a", "/files/..a"),
        ("/openai/v1/files?pageToken=x&max_tokens=1", "/files?pageToken=x&max_tokens=1"),
    ],
)
def test_a_target_below_the_mount_is_asked_below_the_base_url(target: str, expected: str) -> None:
    assert upstream_url(target, SERVED) == BASE + expected


@pytest.mark.parametrize(
    "rest",
    [
        "/../admin",
        "/..",
        "/./x",
        "//evil.example/x",
        "/a//b",
        "/%2e%2e/admin",
        "/.%2E/admin",
        "/%252e%252e/admin",
        "/%25252e%25252e/admin",
        "/..;/admin",
        "/a%2f..%2f..%2fadmin",
        "/a%5c..",
        "/a\\b",
        "/a%00b",
        "/a%0d%0ab",
        "/a b",
        "/a#b",
        "/é",
        "/" + "a" * 8000,
    ],
)
def test_a_target_that_could_leave_the_base_url_is_refused(rest: str) -> None:
    assert upstream_url("/openai/v1" + rest, SERVED) is None


@given(st.text(alphabet="./%25eEfF\\;?#ab:@", max_size=24))
def test_what_is_asked_lies_below_the_base_url(rest: str) -> None:
    url = upstream_url("/openai/v1/" + rest, SERVED)
    if url is not None:
        assert url.startswith(BASE + "/")
        assert "/../" not in url.partition("?")[0] + "/"


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/openai/v1/models",
        "evil.example:443",
        "*",
        "",
        "/openai/v1x/models",
        "/openai",
        "/OPENAI/v1/models",
        "//openai/v1/models",
    ],
)
def test_a_target_of_another_form_or_place_has_no_route(target: str) -> None:
    assert find_route(target, [SERVED]) is None


def test_the_route_is_found_by_its_mount() -> None:
    other = ServedRoute(route=ANTHROPIC, key=Secret(value="k"))
    assert find_route("/anthropic/v1/messages?beta=true", [SERVED, other]) is other


@pytest.mark.parametrize(
    "parameter",
    ["key=x", "api_key=x", "API-KEY=x", "access_token=x", "%6bey=x", "$httpHeaders=x", "token"],
)
def test_a_key_in_the_query_is_dropped(parameter: str) -> None:
    served = ServedRoute(route=GOOGLE, key=Secret(value=KEY))
    url = upstream_url(f"/google/v1beta/models?alt=sse&{parameter}", served)
    assert url == "https://generativelanguage.googleapis.com/v1beta/models?alt=sse"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "X-Api-Key",
        "api-key",
        "x-goog-api-key",
        "X-Auth-Token",
        "Cookie",
        "OpenAI-Organization",
        "OpenAI-Project",
        "ChatGPT-Account-Id",
        "X-Amz-Security-Token",
        "X-Goog-User-Project",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Original-URL",
        "Forwarded",
        "Via",
        "Host",
        "Connection",
        "Upgrade",
        "TE",
        "Transfer-Encoding",
        "Expect",
        "Sec-WebSocket-Key",
        "Accept-Encoding",
        "Nominated",
    ],
)
def test_what_identifies_or_routes_the_guest_is_dropped(name: str) -> None:
    given_headers = [(name, "the guest's"), ("Connection", "close, Nominated")]
    values = [value for _, value in request_headers(given_headers, SERVED)]
    assert "the guest's" not in values


@pytest.mark.parametrize(
    "name",
    [
        "Content-Type",
        "Content-Length",
        "Content-Encoding",
        "Accept",
        "User-Agent",
        "anthropic-version",
        "anthropic-beta",
        "OpenAI-Beta",
        "session-id",
        "x-client-request-id",
        "Idempotency-Key",
        "X-Stainless-Retry-Count",
    ],
)
def test_what_describes_the_request_is_kept(name: str) -> None:
    assert (name, "v") in request_headers([(name, "v")], SERVED)


def test_what_frames_the_body_can_not_be_dropped_by_the_guest() -> None:
    headers = [("Content-Length", "3"), ("Connection", "close, content-length")]
    assert ("Content-Length", "3") in request_headers(headers, SERVED)


def test_the_hosts_key_takes_the_place_of_the_placeholder() -> None:
    headers = request_headers([("authorization", "Bearer placeholder")], SERVED)
    assert [value for name, value in headers if name.lower() == "authorization"] == [
        f"Bearer {KEY}"
    ]


def test_a_header_of_the_users_own_provider_carries_both_keys() -> None:
    header = KeyHeader(name="X-Acme", prefix="Token ")
    route = replace(OPENAI, credential=ApiKey(header=header, environment_names=("K",)))
    served = ServedRoute(route=route, key=Secret(value=KEY))
    asked = [("x-acme", "Token p"), ("Accept", "*/*")]
    assert holds_placeholder(asked, "p", [served])
    assert not holds_placeholder([("x-acme", "Token q")], "p", [served])
    assert not holds_placeholder(asked, "p", [SERVED])
    assert request_headers(asked, served) == [
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("X-Acme", f"Token {KEY}"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer p"),
        ("authorization", "bearer p"),
        ("x-api-key", "p"),
        ("X-Goog-Api-Key", "p"),
        ("api-key", "p"),
    ],
)
def test_the_placeholder_is_taken_from_the_usual_headers(name: str, value: str) -> None:
    assert holds_placeholder([("Accept", "*/*"), (name, value)], "p")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer P"),
        ("Authorization", "Bearer "),
        ("Authorization", "Basic p"),
        ("x-api-key", "pp"),
        ("Cookie", "p"),
        ("x-api-key", "\udcff"),
    ],
)
def test_anything_else_is_no_placeholder(name: str, value: str) -> None:
    assert not holds_placeholder([(name, value)], "p")


def test_an_answer_keeps_its_headers_without_cookies_hops_and_the_key() -> None:
    answer = [
        ("Content-Type", "text/event-stream"),
        ("Set-Cookie", "a=b"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close, X-Hop"),
        ("X-Hop", "1"),
        ("X-Echo", f"Bearer {KEY}!"),
        (f"X-{KEY}", "1"),
        ("Retry-After", "3"),
    ]
    assert response_headers(answer, SERVED) == [
        ("Content-Type", "text/event-stream"),
        ("X-Echo", f"Bearer {'*' * len(KEY)}!"),
        ("Retry-After", "3"),
    ]


@given(
    parts=st.lists(st.sampled_from([b"ab", b"a", b"aab", b"x", b"", b"abaab"]), max_size=12),
    key=st.sampled_from(["ab", "aab", "abaab"]),
)
def test_a_key_in_a_body_is_masked_however_the_body_is_cut(parts: list[bytes], key: str) -> None:
    scrubber = BodyScrubber(Secret(value=key))
    passed = b"".join(scrubber.feed(part) for part in parts) + scrubber.finish()
    assert passed == b"".join(parts).replace(key.encode(), b"*" * len(key))


def test_a_body_without_a_start_of_the_key_is_not_held_back() -> None:
    scrubber = BodyScrubber(Secret(value=KEY))
    assert scrubber.feed(b"data: x\n\n") == b"data: x\n\n"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/openai/v1/models", "/openai/v1/models"),
        ("/openai/v1/models?after=private&b", "/openai/v1/models?after&b"),
        ("/\x1b[2J\u202e\n", "/?[2J??"),
        ("/" + "a" * 400, "/" + "a" * 298 + "…"),
    ],
)
def test_a_path_in_the_log_is_short_and_harmless(target: str, expected: str) -> None:
    assert audit_path(target) == expected


LOGIN = replace(SERVED, paths=("/responses", "/models"), added=(("X-List", "ours"), ("X-Own", "1")))


@pytest.mark.parametrize(
    ("rest", "is_allowed"),
    [
        ("/responses", True),
        ("/responses?a=b", True),
        ("/responses/compact", True),
        ("/models?client_version=1", True),
        ("", False),
        ("/", False),
        ("/responsesx", False),
        ("//responses", False),
        ("/%72esponses", False),
        ("/account/responses", False),
    ],
)
def test_a_login_serves_some_paths_and_a_key_all(rest: str, is_allowed: bool) -> None:  # noqa: FBT001 (a parameter of the test's)
    target = LOGIN.route.mount + rest
    assert may_ask(target, LOGIN) is is_allowed
    assert may_ask(target, SERVED)


def test_what_a_login_adds_joins_the_guests_list_and_replaces_no_other() -> None:
    headers = request_headers([("x-list", "theirs"), ("Accept", "a"), ("x-own", "0")], LOGIN)
    assert [(n, v) for n, v in headers if n.lower().startswith("x-")] == [
        ("X-List", "theirs,ours"),
        ("X-Own", "0,1"),
    ]
