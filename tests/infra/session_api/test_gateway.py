# SPDX-License-Identifier: Apache-2.0
"""Real hosts, detached, without a microVM: how they are found, asked, and how they end."""

import asyncio
import os
import stat
import subprocess
from pathlib import Path

import pytest

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import SessionConnection
from bbox_server.domain.session import SessionId, SessionRecord, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.infra.host.directories import make_directories, resolve_directories
from bbox_server.infra.session_api.gateway import SocketGateway
from bbox_server.infra.session_api.place import HostPlace
from bbox_server.infra.sessions.store import DiskSessionStore
from bbox_server.wire.peer import RpcError

SESSION = SessionId("3f9a1c07")


@pytest.fixture
def gateway(sandbox_dir: Path) -> SocketGateway:
    own = {
        "XDG_STATE_HOME": str(sandbox_dir / "state"),
        "XDG_CACHE_HOME": str(sandbox_dir / "cache"),
        "XDG_RUNTIME_DIR": str(sandbox_dir / "run"),
    }
    environ = {**os.environ, **own}
    directories = resolve_directories(environ, uid=os.geteuid())
    make_directories(directories)
    return SocketGateway(
        state=directories.state,
        runtime=directories.runtime,
        environ=environ,
        new_session=lambda: SESSION,
    )


def make_session(gateway: SocketGateway) -> None:
    store = DiskSessionStore(state=gateway.state, runtime=gateway.runtime)
    store.create(
        SessionRecord(
            id=SESSION,
            state=SessionState.FAILED,
            agent="codex",
            workspace=HostPath("/w"),
            command=(),
            image="",
            created_at=1.0,
        )
    )


async def failure(connection: SessionConnection, method: str, params: dict[str, object]) -> object:
    with pytest.raises((BboxError, RpcError)) as raised:
        await connection.request(method, params)
    error = raised.value
    assert isinstance(error, BboxError | RpcError)
    return error.code


async def until_gone(gateway: SocketGateway) -> None:
    place = HostPlace(runtime=gateway.runtime, session=SESSION)
    async with asyncio.timeout(10):
        while place.address.exists():  # noqa: ASYNC110 (another process removes it)
            await asyncio.sleep(0.05)


async def test_two_clients_find_the_same_host_and_it_ends_after_both(
    gateway: SocketGateway,
) -> None:
    make_session(gateway)
    async with gateway.connect(SESSION) as first:
        address = HostPlace(runtime=gateway.runtime, session=SESSION).address
        assert stat.S_IMODE(address.stat().st_mode) == 0o600
        assert stat.S_IMODE(address.parent.stat().st_mode) == 0o700
        async with gateway.connect(SESSION) as second:
            for connection in (first, second):
                answer = await connection.request("bbox/sessions/get", {"session": SESSION})
                assert answer["state"] == "failed"
        assert address.exists()
    await until_gone(gateway)
    log = gateway.state / "sessions" / SESSION / "host.log"
    async with asyncio.timeout(10):
        while "host.ended" not in log.read_text():  # noqa: ASYNC110 (its last word)
            await asyncio.sleep(0.05)
    assert log.read_text().count("host.started") == 1


async def test_a_socket_that_a_killed_host_left_is_replaced(gateway: SocketGateway) -> None:
    make_session(gateway)
    place = HostPlace(runtime=gateway.runtime, session=SESSION)
    async with place.locked():
        place.listen().close()
    async with gateway.connect(SESSION) as connection:
        assert await connection.request("bbox/sessions/get", {"session": SESSION})
    await until_gone(gateway)


async def test_a_host_that_ends_at_the_first_word_is_replaced(gateway: SocketGateway) -> None:
    make_session(gateway)
    place = HostPlace(runtime=gateway.runtime, session=SESSION)

    def end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dying.close()
        writer.close()

    async with place.locked():
        listener = place.listen()
    dying = await asyncio.start_unix_server(end, sock=listener)
    async with gateway.connect(SESSION) as connection:
        assert await connection.request("bbox/sessions/get", {"session": SESSION})
    await until_gone(gateway)


@pytest.mark.parametrize("name", [SESSION, "", "../../elsewhere", "x" * 5000, "\0"], ids=repr)
async def test_a_session_that_nobody_knows_gets_no_host(gateway: SocketGateway, name: str) -> None:
    with pytest.raises(BboxError) as raised:
        async with gateway.connect(SessionId(name)):
            pass
    assert raised.value.code is ErrorCode.SESSION_UNKNOWN


async def test_a_run_that_can_not_begin_is_told(gateway: SocketGateway, tmp_path: Path) -> None:
    async with gateway.start() as connection:
        params: dict[str, object] = {"workspaceUri": tmp_path.as_uri(), "agent": "nobody"}
        assert await failure(connection, "bbox/run", params) is ErrorCode.AGENT_UNKNOWN
    await until_gone(gateway)
    async with asyncio.timeout(10):
        while (gateway.state / "sessions" / SESSION).exists():  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.05)


async def test_a_host_that_nobody_comes_to_ends(gateway: SocketGateway) -> None:
    starting = gateway.start()
    del starting
    await until_gone(gateway)
    async with asyncio.timeout(10):
        while (gateway.state / "sessions" / SESSION).exists():  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.05)
    assert not list(gateway.runtime.glob("hosts/*.sock"))


async def test_a_host_answers_for_its_own_session_and_its_own_methods(
    gateway: SocketGateway,
) -> None:
    make_session(gateway)
    async with gateway.connect(SESSION) as connection:
        other: dict[str, object] = {"session": "00000000"}
        own: dict[str, object] = {"session": SESSION}
        code = await failure(connection, "bbox/sessions/get", other)
        assert code is ErrorCode.SESSION_UNKNOWN
        assert await failure(connection, "bbox/changes/list", own) is ErrorCode.SESSION_STATE
        assert await failure(connection, "bbox/doctor", {}) == -32601
        assert await failure(connection, "bbox/changes/get", own) == -32602
        old: dict[str, object] = {"protocolVersion": 0}
        assert await failure(connection, "initialize", old) is ErrorCode.PROTOCOL_MISMATCH
    await until_gone(gateway)


async def test_a_discarded_session_is_gone_with_its_files(gateway: SocketGateway) -> None:
    make_session(gateway)
    async with gateway.connect(SESSION) as connection:
        assert await connection.request("bbox/sessions/discard", {"session": SESSION}) == {}
    await until_gone(gateway)
    assert not (gateway.state / "sessions" / SESSION).exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_a_peer_of_another_uid_is_sent_away(gateway: SocketGateway) -> None:
    make_session(gateway)
    address = HostPlace(runtime=gateway.runtime, session=SESSION).address
    async with gateway.connect(SESSION) as connection:
        # Let through by the file system, to see that the host looks as well.
        address.parent.chmod(0o711)
        address.chmod(0o666)
        connect = (
            f"import socket; s = socket.socket(1); s.connect({str(address)!r}); print(s.recv(1))"
        )
        words = ("setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", connect)
        process = await asyncio.to_thread(subprocess.run, words, capture_output=True, check=True)
        assert process.stdout == b"b''\n"
        assert await connection.request("bbox/sessions/get", {"session": SESSION})
    await until_gone(gateway)
