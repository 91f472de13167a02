# SPDX-License-Identifier: Apache-2.0
"""Messages of the SSH agent protocol, and the one thing that is signed (hostile input).

draft-ietf-sshm-ssh-agent; RFC 4252, 7; OpenSSH's PROTOCOL.agent (session-bind@openssh.com) and
PROTOCOL (publickey-hostbound-v00@openssh.com).
"""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MESSAGE_LIMIT: Final = 256 * 1024
"""OpenSSH's own agent takes no longer ones (AGENT_MAX_LEN)."""

SESSION_BIND: Final = b"session-bind@openssh.com"
_USERAUTH_REQUEST: Final = 50
_CONNECTION: Final = b"ssh-connection"
_PLAIN: Final = b"publickey"
_HOST_BOUND: Final = b"publickey-hostbound-v00@openssh.com"


class MessageKind(IntEnum):
    """Numbers of messages that are used here."""

    FAILURE = 5
    SUCCESS = 6
    REQUEST_IDENTITIES = 11
    IDENTITIES_ANSWER = 12
    SIGN_REQUEST = 13
    SIGN_RESPONSE = 14
    EXTENSION = 27


class MessageError(Exception):
    """Bytes that are not what they should be."""


class Reader:
    """Takes a message apart from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """The next bytes. Raises: MessageError."""
        end = self._position + count
        if end > len(self._data):
            raise MessageError("it is cut short")
        piece, self._position = self._data[self._position : end], end
        return piece

    def byte(self) -> int:
        """The next byte. Raises: MessageError."""
        return self.take(1)[0]

    def number(self) -> int:
        """Four bytes. Raises: MessageError."""
        return int(struct.unpack(">I", self.take(4))[0])

    def string(self) -> bytes:
        """Bytes with their length before them. Raises: MessageError."""
        return self.take(self.number())

    def finish(self) -> None:
        """Be at the end. Raises: MessageError."""
        if self._position != len(self._data):
            raise MessageError("something follows")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionBind:
    """A client's proof of the server that it talks to."""

    host_key: bytes
    session: bytes
    signature: bytes
    is_forwarding: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A request to sign a login.

    Attributes:
        host_key: Where the login names the server itself; empty otherwise.
    """

    key: bytes
    session: bytes
    user: bytes
    host_key: bytes


def read_bind(body: bytes) -> SessionBind | None:
    """The extension of that name; None for another one. Raises: MessageError."""
    reader = Reader(body)
    if reader.string() != SESSION_BIND:
        return None
    bind = SessionBind(
        host_key=reader.string(),
        session=reader.string(),
        signature=reader.string(),
        is_forwarding=reader.byte() != 0,
    )
    reader.finish()
    return bind


def read_sign_request(body: bytes) -> Login:
    """A login that is to be signed. Raises: MessageError, for anything else one could sign."""
    reader = Reader(body)
    key, data = reader.string(), reader.string()
    reader.number()  # flags: which hash an RSA key signs with
    reader.finish()
    return _login(key, Reader(data))


def _login(key: bytes, reader: Reader) -> Login:
    session = reader.string()
    if reader.byte() != _USERAUTH_REQUEST:
        raise MessageError("it is no login")
    user = reader.string()
    if reader.string() != _CONNECTION:
        raise MessageError("it is a login for something else than SSH's connections")
    method = reader.string()
    if method not in {_PLAIN, _HOST_BOUND} or reader.byte() != 1:
        raise MessageError("it is no login by a key")
    reader.string()  # the algorithm
    if reader.string() != key:
        raise MessageError("it is a login with another key")
    host_key = reader.string() if method == _HOST_BOUND else b""
    reader.finish()
    return Login(key=key, session=session, user=user, host_key=host_key)


def message(kind: MessageKind, body: bytes = b"") -> bytes:
    """A message with its length."""
    return struct.pack(">IB", 1 + len(body), kind) + body


def string(data: bytes) -> bytes:
    """Bytes with their length before them."""
    return struct.pack(">I", len(data)) + data


def without_comments(identities: bytes) -> bytes:
    """The body of an identities answer, keys alone. Raises: MessageError."""
    reader = Reader(identities)
    count = reader.number()
    keys = []
    for _ in range(count):
        keys.append(reader.string())
        reader.string()
    reader.finish()
    return struct.pack(">I", count) + b"".join(string(key) + string(b"") for key in keys)
