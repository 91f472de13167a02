# SPDX-License-Identifier: Apache-2.0
"""First bytes of TLS connections: real ones, and ones no client would send."""

import ssl
import struct
from functools import cache


@cache
def real_hello(name: str | None) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError


def record(payload: bytes, kind: int = 0x16) -> bytes:
    return struct.pack("!BHH", kind, 0x0301, len(payload)) + payload


def server_names(*names: bytes, kind: int = 0) -> bytes:
    entries = b"".join(struct.pack("!BH", kind, len(name)) + name for name in names)
    content = struct.pack("!H", len(entries)) + entries
    return struct.pack("!HH", 0, len(content)) + content


def made_hello(*extensions: bytes, message: int = 1) -> bytes:
    """A ClientHello handshake message with just these extensions."""
    joined = b"".join(extensions)
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += struct.pack("!H", len(joined)) + joined
    return bytes([message]) + len(body).to_bytes(3, "big") + body
