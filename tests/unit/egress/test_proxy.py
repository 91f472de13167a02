# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.egress.proxy import UpstreamProxy, find_proxy, parse_proxy
from bbox_server.domain.error import BboxError, ErrorCode


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("http://proxy.corp:3128", "proxy.corp", 3128),
        ("http://proxy.corp", "proxy.corp", 80),
        ("http://proxy.corp:3128/", "proxy.corp", 3128),
        ("proxy.corp:3128", "proxy.corp", 3128),
        ("http://[::1]:8080", "::1", 8080),
        ("http://10.0.0.9:1", "10.0.0.9", 1),
    ],
)
def test_a_proxy_is_a_host_and_a_port(url: str, host: str, port: int) -> None:
    assert parse_proxy(url) == UpstreamProxy(host=host, port=port)


@pytest.mark.parametrize(
    "url",
    [
        "https://proxy.corp:3128", "socks5://proxy.corp", "http://", "http://:80", "http://a:b",
        "http://a:99999", "http://[::1", "http://a b", "http://proxÿ.corp",
    ],
)  # fmt: skip
def test_what_is_no_http_proxy_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BboxError) as caught:
        parse_proxy(url.replace("//", "//user:hunter2@"))

    assert caught.value.code is ErrorCode.EGRESS_INVALID_PROXY
    assert "hunter2" not in f"{caught.value.cause} {caught.value}"


def test_a_password_goes_to_the_proxy_and_into_no_representation() -> None:
    proxy = parse_proxy("http://user:p%40ss@proxy.corp:3128")
    assert proxy.authorization == "Basic dXNlcjpwQHNz"
    assert proxy.authorization not in repr(proxy)


@pytest.mark.parametrize(
    ("exceptions", "direct", "proxied"),
    [
        ("", (), ("a.test", "10.0.0.1")),
        ("corp.test", ("corp.test", "git.corp.test"), ("notcorp.test", "corp.test.evil.test")),
        (".corp.test, *.lab.test", ("git.corp.test", "a.lab.test"), ("a.test",)),
        ("CORP.test:443", ("corp.test",), ("a.test",)),
        ("10.0.0.0/8 192.168.1.1", ("10.1.2.3", "192.168.1.1"), ("11.0.0.1", "192.168.1.2")),
        ("[fd00::]/8", (), ("a.test",)),
        ("fd00::1", ("fd00::1",), ("a.test",)),
        ("*", ("a.test", "1.2.3.4"), ()),
    ],
)
def test_exceptions_are_reached_directly(
    exceptions: str, direct: tuple[str, ...], proxied: tuple[str, ...]
) -> None:
    proxy = parse_proxy("http://proxy.corp", exceptions)
    assert [host for host in direct if proxy.serves(host)] == []
    assert tuple(host for host in proxied if proxy.serves(host)) == proxied


@given(st.text(max_size=60), st.text(max_size=30))
def test_any_list_is_a_list_of_exceptions(exceptions: str, host: str) -> None:
    proxy = parse_proxy("http://proxy.corp", exceptions)
    assert proxy.serves(host) in {True, False}


@given(st.text(max_size=80))
def test_any_text_is_a_proxy_or_refused(url: str) -> None:
    try:
        proxy = parse_proxy(url)
    except BboxError:
        return
    assert proxy.host.isprintable()
    assert 1 <= proxy.port <= 65535


ENVIRON = {"HTTPS_PROXY": "http://env.corp:1", "NO_PROXY": "corp.test"}


def test_the_config_comes_before_the_environment_and_may_say_none() -> None:
    assert find_proxy(None, {}) is None
    found = find_proxy(None, ENVIRON)
    assert found == UpstreamProxy(host="env.corp", port=1, exceptions=("corp.test",))
    found = find_proxy("http://mine.corp:2", ENVIRON)
    assert found == UpstreamProxy(host="mine.corp", port=2, exceptions=("corp.test",))
    assert find_proxy("", ENVIRON) is None
