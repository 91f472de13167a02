# SPDX-License-Identifier: Apache-2.0
"""The process that holds the keys: what others can see of it, and how it fails."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbox_server.domain.credential import CredentialProxySpec
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.credential.proxy import ProcessCredentialProxy
from tests.fakes.credential import RecordingObserver
from tests.infra.credential.provider import (
    KEY,
    PLACEHOLDER,
    USER,
    Guest,
    echo,
    proxied,
    serving,
)

SECRET_IN_ENVIRONMENT = {"OPENAI_API_KEY": KEY, "HOME": "/root", "NO_PROXY": "x"}


def _proc(guest: Guest, name: str) -> bytes:
    return Path(f"/proc/{guest.process.child.pid}/{name}").read_bytes()


def _status(guest: Guest) -> dict[str, str]:
    lines = _proc(guest, "status").decode().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _owner(path: str) -> tuple[int, int]:
    found = Path(path).stat()
    return found.st_uid, found.st_gid


def _mode(path: str) -> int:
    return Path(path).stat().st_mode & 0o777


async def test_neither_arguments_nor_environment_hold_the_key() -> None:
    async with proxied("http://127.0.0.1:9", SECRET_IN_ENVIRONMENT) as guest:
        assert KEY.encode() not in _proc(guest, "cmdline")
        if os.geteuid() == 0:
            assert KEY.encode() not in _proc(guest, "environ")
            assert b"NO_PROXY=x" in _proc(guest, "environ")


async def test_the_process_is_no_root_gets_no_new_rights_and_dumps_no_core() -> None:
    async with proxied("http://127.0.0.1:9") as guest:
        status = _status(guest)
        limits = _proc(guest, "limits").decode() if os.geteuid() == 0 else "core file size 0"
        owner = _owner(f"/proc/{guest.process.child.pid}/mem")
    assert status["Uid"].split() == [str(USER.uid)] * 4
    assert status["Gid"].split() == [str(USER.gid)] * 4
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == 0
    assert "core file size 0" in " ".join(limits.lower().split())
    # The memory of a process that can't be inspected belongs to root (proc(5)).
    assert owner == (0, 0)


async def test_only_the_sandbox_user_may_connect() -> None:
    async with proxied("http://127.0.0.1:9") as guest:
        assert _owner(guest.socket) == (USER.uid, USER.gid)
        assert _mode(guest.socket) == 0o600


async def test_a_socket_that_can_not_be_made_is_said_so(tmp_path: Path) -> None:
    proxy = ProcessCredentialProxy(user=USER, environment={})
    spec = CredentialProxySpec(
        socket=HostPath(str(tmp_path / "absent" / "keys")), placeholder=PLACEHOLDER, routes=()
    )
    with pytest.raises(BboxError) as failure:
        async with proxy.start(spec, RecordingObserver()):
            pass
    assert failure.value.code is ErrorCode.CREDENTIAL_PROXY_FAILED
    assert "No such file or directory" in failure.value.cause


async def test_a_process_that_dies_is_noticed() -> None:
    async with proxied("http://127.0.0.1:9") as guest:
        os.kill(guest.process.child.pid, signal.SIGKILL)
        with pytest.raises(BboxError) as failure:
            await guest.process.wait()
    assert failure.value.code is ErrorCode.CREDENTIAL_PROXY_FAILED


async def test_a_missing_bundle_of_certificates_is_said_so(tmp_path: Path) -> None:
    environment = {"NODE_EXTRA_CA_CERTS": str(tmp_path / "absent.pem")}
    with pytest.raises(BboxError) as failure:
        async with proxied("http://127.0.0.1:9", environment):
            pass
    assert failure.value.code is ErrorCode.CREDENTIAL_PROXY_FAILED


async def _send(guest: Guest, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(guest.socket)
    writer.write(data)
    writer.write_eof()
    try:
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_connections_that_say_nothing_do_not_end_the_process() -> None:
    async with serving(echo) as guest, asyncio.timeout(20):
        # More than the process may have open.
        idle = [await asyncio.open_unix_connection(guest.socket) for _ in range(350)]
        for _, writer in idle:
            writer.close()
        status, _ = await guest.ask()
    assert status == 200


HOSTILE = (
    b"",
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /openai/v1/x HTTP/1.1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",
    b"GET /openai/v1/x HTTP/1.1\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"POST /openai/v1/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /openai/v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    b"GET /openai/v1/x HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    bytes(range(256)) * 200,
)


async def test_what_is_no_request_is_refused_and_the_process_lives_on() -> None:
    async with serving(echo) as guest:
        for data in HOSTILE:
            answer = await _send(guest, data)
            assert b" 200 " not in answer.split(b"\r\n")[0]
        status, _ = await guest.ask()
    assert status == 200


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.binary(max_size=200), max_size=4), min_size=20, max_size=60))
async def test_any_bytes_leave_the_process_alive(requests: list[list[bytes]]) -> None:
    head = b"POST /openai/v1/x HTTP/1.1\r\nAuthorization: Bearer " + PLACEHOLDER.encode()
    async with serving(echo) as guest:
        for pieces in requests:
            async with asyncio.timeout(10):
                await _send(guest, b"\r\n".join((head, *pieces)))
        status, _ = await guest.ask()
    assert status == 200
