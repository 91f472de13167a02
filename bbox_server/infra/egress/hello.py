# SPDX-License-Identifier: Apache-2.0
"""The name in the first bytes of a connection: TLS ClientHello or HTTP request."""

import re
from enum import Enum, auto
from typing import Final, NamedTuple

MAX_HELLO_BYTES: Final = 16_384 + 512

_HANDSHAKE: Final = 0x16
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_RECORD_HEAD: Final = 5
_HANDSHAKE_HEAD: Final = 4
_MAX_RECORD: Final = 16_384
_FIXED_BYTES: Final = 2 + 32
"""Version and random (RFC 8446, 4.1.2)."""
_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METHOD: Final = re.compile(rb"[A-Z]{1,20}(?: |\Z)")
_REQUEST: Final = re.compile(
    rb"[A-Z]{1,20} (?:https?://([^/?#\s]+)[\x21-\x7e]*|/[\x21-\xff]*|\*) HTTP/1\.[01]"
)
_FIELD: Final = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([^\r\n\0]*)")


class Found(Enum):
    """What the first bytes are."""

    INCOMPLETE = auto()
    NAMED = auto()
    UNNAMED = auto()
    FOREIGN = auto()


class Hello(NamedTuple):
    """What was found; the name is lower-case, without a port or last dot."""

    found: Found
    name: str = ""


class _TruncatedError(Exception):
    pass


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def rest(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.rest:
            raise _TruncatedError
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")

    def block(self, length_bytes: int) -> bytes:
        return self.take(self.number(length_bytes))


def client_hello(data: bytes) -> Hello:
    """Find the server name of a TLS ClientHello (RFC 6066, 3), over several records if need be."""
    handshake, is_tls = _handshake_bytes(data)
    if not is_tls or (handshake and handshake[0] != _CLIENT_HELLO):
        return Hello(Found.FOREIGN)
    if len(handshake) < _HANDSHAKE_HEAD:
        return _incomplete(data)
    length = int.from_bytes(handshake[1:_HANDSHAKE_HEAD], "big")
    body = handshake[_HANDSHAKE_HEAD : _HANDSHAKE_HEAD + length]
    if len(body) < length:
        return _incomplete(data)
    try:
        name = _server_name(body)
    except _TruncatedError:
        return Hello(Found.FOREIGN)
    return Hello(Found.NAMED, name) if name else Hello(Found.UNNAMED)


def http_host(data: bytes) -> Hello:
    """Find the one Host of an HTTP/1 request (RFC 9112, 3.2).

    What servers read in different ways (bare line feeds, folded lines, a blank before the colon,
    two Hosts, a target that names another host) has no name.
    """
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        is_request = not data or _METHOD.match(data)
        return _incomplete(data) if is_request else Hello(Found.FOREIGN)
    request, *lines = head.split(b"\r\n")
    target = _REQUEST.fullmatch(request)
    fields = [_FIELD.fullmatch(line) for line in lines]
    if target is None or not all(fields):
        return Hello(Found.FOREIGN)
    hosts = [field[2].rstrip(b" \t") for field in fields if field and field[1].lower() == b"host"]
    if len(hosts) != 1 or target[1] not in (None, hosts[0]):
        return Hello(Found.UNNAMED)
    name = _without_port(hosts[0])
    return Hello(Found.NAMED, name) if name else Hello(Found.UNNAMED)


def _incomplete(data: bytes) -> Hello:
    return Hello(Found.INCOMPLETE if len(data) <= MAX_HELLO_BYTES else Found.FOREIGN)


def _handshake_bytes(data: bytes) -> tuple[bytes, bool]:
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        if data[at] != _HANDSHAKE or data[at + 1 : at + 2] not in (b"", b"\x03"):
            # A record of another kind ends the flight; what came before may be enough.
            return b"".join(pieces), bool(pieces)
        head = data[at : at + _RECORD_HEAD]
        length = int.from_bytes(head[3:], "big")
        if len(head) == _RECORD_HEAD and not 0 < length <= _MAX_RECORD:
            return b"", False
        pieces.append(data[at + _RECORD_HEAD : at + _RECORD_HEAD + length])
        at += _RECORD_HEAD + length
    return b"".join(pieces), True


def _server_name(body: bytes) -> str:
    cursor = _Cursor(body)
    cursor.take(_FIXED_BYTES)
    cursor.block(1)
    cursor.block(2)
    cursor.block(1)
    if not cursor.rest:
        return ""
    extensions = _Cursor(cursor.block(2))
    names = []
    while extensions.rest:
        kind = extensions.number(2)
        content = extensions.block(2)
        if kind == _SERVER_NAME:
            names.append(_host_name(content))
    return names[0] if len(names) == 1 else ""


def _host_name(content: bytes) -> str:
    entries = _Cursor(_Cursor(content).block(2))
    if entries.number(1) != 0:
        return ""
    name = entries.block(2)
    # A second entry would be a second name: which of them the server takes is not ours to guess.
    if entries.rest or not name.isascii():
        return ""
    return name.decode("ascii").lower()


def _without_port(host: bytes) -> str:
    name, colon, port = host.rpartition(b":")
    if colon and not port.isdigit():
        return ""
    return (name if colon else host).decode("latin-1").lower().removesuffix(".")
