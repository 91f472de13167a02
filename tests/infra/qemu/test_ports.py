# SPDX-License-Identifier: Apache-2.0
import asyncio
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.vm import VmEnd
from bbox_server.infra.qemu.control import ControlPort
from bbox_server.infra.qemu.monitor import Monitor


async def receive(guest: socket.socket) -> bytes:
    guest.settimeout(0)
    return await asyncio.get_running_loop().sock_recv(guest, 4096)


async def answered(answer: str, *, closes: bool = False) -> None:
    ours, guest = socket.socketpair()
    port = ControlPort(ours)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(port.command("PING"))
            verb, nonce = (await receive(guest)).split()
            assert verb == b"PING"
            guest.send(answer.format(nonce=nonce.decode()).encode())
            if closes:
                guest.close()
    finally:
        port.close()
        guest.close()


async def test_a_command_is_done_when_the_guest_says_so() -> None:
    await answered("noise\nDONE 0000000000000000\nDONE {nonce}\n")


async def test_a_command_that_failed_tells_why() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await answered("FAILED {nonce} cl\x1bock\n")
    error = caught.value.exceptions[0]
    assert isinstance(error, BboxError)
    assert error.code is ErrorCode.GUEST_COMMAND_FAILED
    assert error.cause == "The guest said: cl\\x1bock."


async def test_a_closed_port_is_a_lost_guest() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await answered("", closes=True)
    assert isinstance(error := caught.value.exceptions[0], BboxError)
    assert error.code is ErrorCode.GUEST_LOST


async def test_a_guest_that_reads_nothing_is_lost_when_the_port_is_full() -> None:
    ours, guest = socket.socketpair()
    port = ControlPort(ours)
    try:
        with pytest.raises(BboxError, match="control port is closed"):
            send_for_ever(port)
    finally:
        port.close()
        guest.close()


def send_for_ever(port: ControlPort) -> None:
    while True:
        port.send("PING", "0" * 16)


@given(st.binary(max_size=2000))
def test_no_nonsense_answers_a_command(said: bytes) -> None:
    async def listen() -> bool:
        ours, guest = socket.socketpair()
        port = ControlPort(ours)
        try:
            async with asyncio.timeout(0.01), asyncio.TaskGroup() as group:
                group.create_task(port.command("PING"))
                guest.send(said)
        except TimeoutError:
            return False
        finally:
            port.close()
            guest.close()
        return True

    assert asyncio.run(listen()) is False


def heard(said: bytes) -> Monitor:
    async def listen() -> Monitor:
        ours, qemu = socket.socketpair()
        monitor = Monitor(ours)
        qemu.send(said)
        monitor.close()
        qemu.close()
        return monitor

    return asyncio.run(listen())


@pytest.mark.parametrize(
    ("reason", "end"),
    [
        ("guest-shutdown", VmEnd.POWERED_OFF),
        ("guest-reset", VmEnd.GUEST_RESET),
        ("guest-panic", VmEnd.GUEST_PANIC),
        ("host-qmp-quit", VmEnd.KILLED),
        ("host-signal", VmEnd.KILLED),
        ("something-new", VmEnd.KILLED),
    ],
)
def test_the_monitor_tells_why_qemu_ended(reason: str, end: VmEnd) -> None:
    event = {"event": "SHUTDOWN", "data": {"guest": True, "reason": reason}}
    assert heard(json.dumps(event).encode() + b"\n").end is end


def test_disk_errors_are_counted() -> None:
    assert heard(b'{"event": "BLOCK_IO_ERROR", "data": {}}\n' * 3).io_errors == 3


@given(st.binary(max_size=2000))
def test_no_nonsense_disturbs_the_monitor(said: bytes) -> None:
    assert heard(said).end in VmEnd


def test_deeply_nested_nonsense_is_ignored() -> None:
    assert heard(b"[" * 60_000 + b"\n").end is VmEnd.KILLED


async def test_the_monitor_speaks_first_of_its_capabilities() -> None:
    ours, qemu = socket.socketpair()
    monitor = Monitor(ours)
    monitor.quit()
    said = await receive(qemu)
    monitor.close()
    qemu.close()
    assert said == b'{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n'
