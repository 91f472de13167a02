# SPDX-License-Identifier: Apache-2.0
import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.infra.qemu.channel import ChannelRequest
from bbox_server.infra.qemu.control import ControlPort
from bbox_server.infra.qemu.sockets import listen_at

# The guest's side: what it does with the shell port once it has read the nonce.
Guest = Callable[[socket.socket, bytes], None]


async def opened(
    directory: Path, guest: Guest, deadline_s: float = 5
) -> tuple[socket.socket, socket.socket]:
    """Our end and the guest's."""
    ours, theirs = socket.socketpair()
    control = ControlPort(ours)
    with listen_at(directory / "ssh") as listener:
        request = ChannelRequest(directory / "ssh", control)
        port, _ = listener.accept()
    nonce = theirs.recv(100).split()[1]
    guest(port, nonce)
    try:
        async with asyncio.timeout(deadline_s):
            return socket.socket(fileno=await request.granted()), port
    except BaseException:
        port.close()
        raise
    finally:
        request.close()
        control.close()
        theirs.close()


async def test_leftovers_of_an_earlier_connection_are_thrown_away(tmp_path: Path) -> None:
    def guest(port: socket.socket, nonce: bytes) -> None:
        port.send(os.urandom(5000) + b"\nBBOX-READY 0123456789abcdef\n")
        port.send(b"more\nBBOX-READY " + nonce + b"\n")

    channel, port = await opened(tmp_path, guest)
    with port, channel:
        assert port.recv(100).startswith(b"\nBBOX-GO ")
        port.send(b"SSH-2.0-x")
        await asyncio.sleep(0)
        assert channel.recv(100) == b"SSH-2.0-x"


async def test_a_guest_that_goes_on_before_go_is_not_connected(tmp_path: Path) -> None:
    def guest(port: socket.socket, nonce: bytes) -> None:
        port.send(b"\nBBOX-READY " + nonce + b"\nSSH-early")

    with pytest.raises(TimeoutError):
        await opened(tmp_path, guest, deadline_s=0.2)


async def test_a_guest_that_closes_the_port_is_lost(tmp_path: Path) -> None:
    with pytest.raises(BboxError) as caught:
        await opened(tmp_path, lambda port, _: port.close())
    assert caught.value.code is ErrorCode.GUEST_LOST


async def test_a_guest_that_closes_the_port_before_go_is_lost(tmp_path: Path) -> None:
    def guest(port: socket.socket, nonce: bytes) -> None:
        port.send(b"\nBBOX-READY " + nonce + b"\n")
        port.close()

    with pytest.raises(BboxError) as caught:
        await opened(tmp_path, guest)
    assert caught.value.code is ErrorCode.GUEST_LOST


async def test_a_path_may_be_longer_than_a_socket_address(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)

    def guest(port: socket.socket, nonce: bytes) -> None:
        port.send(b"\nBBOX-READY " + nonce + b"\n")

    for end in await opened(deep, guest):
        end.close()
    assert (deep / "ssh").is_socket()
