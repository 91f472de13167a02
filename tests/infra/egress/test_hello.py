# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.infra.egress.hello import (
    MAX_HELLO_BYTES,
    Found,
    Hello,
    client_hello,
    http_host,
)
from tests.infra.egress.client_hello import made_hello, real_hello, record, server_names

NAMED = Hello(Found.NAMED, "api.example.com")
NAME = server_names(b"api.example.com")


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parsers(data: bytes) -> None:
    client_hello(data)
    http_host(data)


@given(st.binary(max_size=200))
def test_no_handshake_breaks_the_parser(data: bytes) -> None:
    whole = record(b"\x01" + len(data).to_bytes(3, "big") + data)
    assert client_hello(whole).found is not Found.INCOMPLETE


@given(st.integers(0, 600), st.integers(0, 255))
def test_a_damaged_hello_never_breaks_the_parser(place: int, value: int) -> None:
    damaged = bytearray(real_hello("api.example.com"))
    damaged[place % len(damaged)] = value
    client_hello(bytes(damaged))


def test_openssl_s_hello_has_its_name() -> None:
    assert client_hello(real_hello("API.example.com")) == NAMED


@given(st.data())
def test_a_hello_is_incomplete_until_its_last_byte(data: st.DataObject) -> None:
    hello = real_hello("api.example.com")
    cut = data.draw(st.integers(0, len(hello) - 1))
    assert client_hello(hello[:cut]).found is Found.INCOMPLETE


@given(st.integers(1, 40))
def test_a_hello_may_be_cut_into_records(size: int) -> None:
    handshake = made_hello(NAME)
    pieces = [handshake[at : at + size] for at in range(0, len(handshake), size)]
    assert client_hello(b"".join(map(record, pieces))) == NAMED


def test_what_follows_the_hello_is_not_looked_at() -> None:
    assert client_hello(record(made_hello(NAME)) + record(b"early data", 0x17)) == NAMED


@pytest.mark.parametrize(
    "data",
    [
        real_hello(None),
        record(made_hello()),
        record(made_hello(server_names(b"a.com", b"b.com"))),
        record(made_hello(server_names(b"a.com"), server_names(b"b.com"))),
        record(made_hello(server_names(b"a.com", kind=1))),
        record(made_hello(server_names(b"\xff.com"))),
        record(made_hello(server_names(b""))),
    ],
    ids=["none", "no extension", "two names", "twice", "no host name", "no ASCII", "empty"],
)
def test_a_hello_without_exactly_one_name_has_none(data: bytes) -> None:
    assert client_hello(data).found is Found.UNNAMED


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-tunnel\r\n",
        b"GET / HTTP/1.1\r\n",
        b"\x80\x2e\x01\x03\x01",
        record(made_hello(NAME, message=2)),
        record(b"", 0x16) + record(made_hello(NAME)),
        b"\x16\x03\x01\xff\xff" + b"x" * 10,
        b"\x16\x04\x01\x00\x01x",
        record(made_hello(b"\x00\x00\x00\xff")),
        b"".join(record(b"\x01\x00\xff\xff" + b"x" * 16_000) for _ in range(2)),
    ],
    ids=[
        *("SSH", "HTTP", "SSL 2", "server hello", "empty record", "long record", "no TLS"),
        *("extension beyond its end", "endless"),
    ],
)
def test_what_is_no_hello_is_foreign(data: bytes) -> None:
    assert client_hello(data).found is Found.FOREIGN


@pytest.mark.parametrize(
    "host",
    [b"api.example.com", b"API.Example.com", b"api.example.com:80", b"api.example.com."],
)
def test_the_host_of_a_request(host: bytes) -> None:
    request = b"GET /a?b HTTP/1.1\r\nAccept: */*\r\nhost:  " + host + b" \r\n\r\nbody"
    assert http_host(request) == NAMED


def test_a_proxy_s_request_names_the_same_host_twice() -> None:
    request = b"GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n"
    assert http_host(request) == NAMED


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.com\r\nHost: b.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.com:x\r\n\r\n",
        b"GET http://b.com/ HTTP/1.1\r\nHost: a.com\r\n\r\n",
        b"GET http://a.com@b.com/ HTTP/1.1\r\nHost: a.com\r\n\r\n",
    ],
    ids=["none", "two", "empty", "odd port", "other target", "user in target"],
)
def test_a_request_with_a_doubtful_host_has_none(request_bytes: bytes) -> None:
    assert http_host(request_bytes).found is Found.UNNAMED


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/1.1\nHost: evil.com\n\nx\r\nHost: a.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\r\n Host: evil.com\r\nHost: a.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: y\rHost: evil.com\r\nHost: a.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\nHost: a.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT evil.com:443 HTTP/1.1\r\nHost: a.com\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HELLO_BYTES,
    ],
    ids=[
        *("bare feeds", "blank before colon", "folded", "bare return", "zero", "HTTP/2"),
        *("tunnel", "TLS", "endless"),
    ],
)
def test_what_servers_read_differently_is_foreign(request_bytes: bytes) -> None:
    assert http_host(request_bytes).found is Found.FOREIGN


@given(st.integers(0, 40))
def test_a_request_is_incomplete_until_its_empty_line(cut: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: a.com\r\n\r\n"
    whole = cut >= len(request)
    assert (http_host(request[:cut]).found is Found.INCOMPLETE) is not whole
