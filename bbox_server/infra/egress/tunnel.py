# SPDX-License-Identifier: Apache-2.0
"""CONNECT: a connection to the host's proxy becomes one to where the guest wants to go."""

import asyncio
import re
import socket
from typing import Final

from bbox_server.domain.egress.proxy import UpstreamProxy

MAX_HEAD_BYTES: Final = 16 << 10
_END: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_SUCCESS: Final = range(200, 300)


class TunnelError(Exception):
    """The proxy opened no tunnel; what it said is not for the guest."""


async def open_tunnel(connected: socket.socket, proxy: UpstreamProxy, host: str, port: int) -> None:
    """Ask for a tunnel (RFC 9110, 9.3.6); what the far side said already is left in the socket.

    Raises:
        TunnelError: The proxy refused, or it is none.
        OSError: The connection is gone.
    """
    await asyncio.get_running_loop().sock_sendall(connected, connect_request(proxy, host, port))
    status = status_of(await _head(connected))
    if status not in _SUCCESS:
        raise TunnelError(f"the proxy answered {status}")


def connect_request(proxy: UpstreamProxy, host: str, port: int) -> bytes:
    """The request; the host is one label after the other, or an address."""
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return "\r\n".join((*lines, "", "")).encode("ascii")


def status_of(head: bytes) -> int:
    """The code of a response's head. Raises: TunnelError."""
    found = _STATUS.match(head)
    if found is None:
        raise TunnelError("what answers is no HTTP proxy")
    return int(found[1])


async def _head(connected: socket.socket) -> bytes:
    head = b""
    while len(head) < MAX_HEAD_BYTES:
        await _readable(connected)
        # Not a byte beyond the head: the rest is the far side's, and the flow reads it.
        seen = connected.recv(MAX_HEAD_BYTES, socket.MSG_PEEK)
        if not seen:
            raise TunnelError("the proxy hung up")
        end = (head + seen).find(_END)
        count = len(seen) if end < 0 else end + len(_END) - len(head)
        head += connected.recv(count)
        if end >= 0:
            return head
    raise TunnelError("the proxy's answer is too long")


async def _readable(connected: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connected, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connected)
