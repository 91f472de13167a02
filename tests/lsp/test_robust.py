# SPDX-License-Identifier: Apache-2.0
"""Clients that break the rules: answered as LSP 3.17 says, and the server lives on."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bbox_server.entrypoints.lsp.gate import IN_FLIGHT_BYTES, IN_FLIGHT_LIMIT
from bbox_server.wire.frame import BODY_LIMIT_BYTES
from tests.fakes.gateway import LARGE, LARGE_BYTES, SESSION
from tests.lsp.raw_client import INITIALIZE, RawClient, raw_client, resident_kib

PRIVATE = "sk-of-nobody-else"
WAITS = "bbox/sessions/stop"  # the fake host answers it after an hour


@pytest.fixture
def fresh() -> Iterator[RawClient]:
    with raw_client() as client:
        yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[RawClient]:
    with raw_client() as client:
        client.initialize()
        yield client


@pytest.fixture
def client(shared: RawClient) -> Iterator[RawClient]:
    yield shared
    assert is_alive(shared)


def is_alive(client: RawClient) -> bool:
    return "agents" in client.ask("bbox/agents/list", {})["result"]


def code(answer: dict[str, dict[str, int]]) -> int:
    return answer["error"]["code"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"Content-Length: 5\r\n\r\n{no}}",
        b"Content-Length: 2\r\n\r\n[]",
        b"Content-Length: many\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"hello\r\n\r\n",
        b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT_BYTES + 1),
        b"x" * 200_000 + b"\r\n\r\n",
    ],
    ids=["no JSON", "no object", "no number", "negative", "no length", "too long", "long line"],
)
def test_a_malformed_frame_is_told(client: RawClient, garbage: bytes) -> None:
    client.write(garbage)
    assert code(client.answer(None)) == -32700


@pytest.mark.parametrize(
    ("message", "number"),
    [
        ({"id": 900}, 900),
        ({"id": "a", "method": 5}, "a"),
        ({"id": 901, "method": "bbox/doctor", "params": {}, "jsonrpc": "1.0"}, 901),
        ({"id": [1], "method": "bbox/doctor", "params": {}}, None),
        ({"id": True, "method": "bbox/doctor", "params": {}}, None),
    ],
    ids=["no method", "method", "version", "list as id", "truth as id"],
)
def test_what_is_no_message_is_told(
    client: RawClient, message: dict[str, object], number: object
) -> None:
    client.send(message)
    assert code(client.answer(number)) == -32600


def test_an_unknown_method_is_told(client: RawClient) -> None:
    assert code(client.ask("bbox/nonsense", {})) == -32601
    assert code(client.ask("n" * 5000, {})) == -32601


@pytest.mark.parametrize("params", [None, [], [1], "text", 5], ids=repr)
def test_params_that_are_no_object_are_told(client: RawClient, params: object) -> None:
    assert code(client.ask("bbox/changes/list", params)) == -32602


def test_bad_params_of_a_standard_method_are_told(client: RawClient) -> None:
    params = {"command": 5, "arguments": "none"}
    assert code(client.ask("workspace/executeCommand", params)) == -32602


def test_a_request_that_asks_for_no_answer_does_nothing(client: RawClient) -> None:
    client.send({"method": "bbox/agents/list", "params": {}})
    number = client.start("bbox/agents/list", {})
    assert client.read()["id"] == number


def test_a_request_can_be_cancelled(client: RawClient) -> None:
    command = {"command": "bbox.stop", "arguments": [{"session": SESSION}]}
    for method, params in ((WAITS, {"session": SESSION}), ("workspace/executeCommand", command)):
        number = client.start(method, params)
        client.send({"method": "$/cancelRequest", "params": {"id": number}})
        assert code(client.answer(number)) == -32800


def test_an_id_is_in_use_until_its_answer(client: RawClient) -> None:
    number = client.start(WAITS, {"session": SESSION})
    client.send({"id": number, "method": "bbox/agents/list", "params": {}})
    assert code(client.answer(number)) == -32600
    client.send({"method": "$/cancelRequest", "params": {"id": number}})
    assert code(client.answer(number)) == -32800


def test_a_thousand_requests_in_flight_are_all_answered(client: RawClient) -> None:
    numbers = [client.start("bbox/sessions/get", {"session": SESSION}) for _ in range(1000)]
    answered = {client.read()["id"] for _ in numbers}
    assert answered == set(numbers)


def test_more_in_flight_than_there_may_be_are_refused_and_can_be_cancelled(
    client: RawClient,
) -> None:
    numbers = [client.start(WAITS, {"session": SESSION}) for _ in range(IN_FLIGHT_LIMIT + 1)]
    assert code(client.answer(numbers.pop())) == -32803
    for number in numbers:
        client.send({"method": "$/cancelRequest", "params": {"id": number}})
    assert {client.read()["id"] for _ in numbers} == set(numbers)


def test_params_that_wait_are_bounded_in_all(client: RawClient) -> None:
    padded = {"session": SESSION, "mode": "graceful" + " " * (BODY_LIMIT_BYTES // 2)}
    before = resident_kib(client.process.pid)
    asked = [client.start(WAITS, padded) for _ in range(8)]
    # They are wrong, and answered so; none is kept.
    assert {code(client.answer(number)) for number in asked} == {-32602}
    assert resident_kib(client.process.pid) - before < 2 * IN_FLIGHT_BYTES // 1024


def test_a_message_of_more_than_the_limit_is_read_over(client: RawClient) -> None:
    client.write(b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT_BYTES * 40))
    assert code(client.answer(None)) == -32700


def test_a_client_that_does_not_read_costs_little(fresh: RawClient) -> None:
    fresh.initialize()
    read = {"session": SESSION, "side": "agent", "path": LARGE}
    assert fresh.ask("bbox/file/read", read)["result"]["size"] == LARGE_BYTES
    before = resident_kib(fresh.process.pid)
    numbers = [fresh.start("bbox/file/read", read) for _ in range(50)]
    until_idle(fresh)
    # 200 MiB were asked for: four answers and their copies are made, and no more.
    assert resident_kib(fresh.process.pid) - before < 100 << 10
    assert {fresh.read()["id"] for _ in numbers} == set(numbers)
    assert is_alive(fresh)


def until_idle(client: RawClient) -> None:
    """Until the server has used no processor for half a second, or ten seconds are over."""
    stat = Path(f"/proc/{client.process.pid}/stat")
    used, quiet = "", 0
    for _ in range(100):
        now = stat.read_text().split()[13]
        used, quiet = now, quiet + 1 if now == used else 0
        if quiet == 5:
            return
        with pytest.raises(subprocess.TimeoutExpired):
            client.process.wait(0.1)


def test_nothing_is_answered_before_initialize(fresh: RawClient) -> None:
    assert code(fresh.ask("bbox/agents/list", {})) == -32002
    assert code(fresh.ask("initialize", {"capabilities": 5})) == -32602
    assert code(fresh.ask("bbox/agents/list", {})) == -32002
    assert "result" in fresh.initialize()
    assert code(fresh.ask("initialize", INITIALIZE)) == -32600


def test_after_shutdown_nothing_is_answered_but_exit_ends_the_server(fresh: RawClient) -> None:
    fresh.initialize()
    command = {"command": "bbox.stop", "arguments": [{"session": SESSION}]}
    waiting = [
        fresh.start(WAITS, {"session": SESSION}),
        fresh.start("workspace/executeCommand", command),
    ]
    number = fresh.start("shutdown")
    assert {fresh.read()["id"] for _ in range(3)} == {*waiting, number}
    assert code(fresh.ask("bbox/agents/list", {})) == -32600
    fresh.send({"method": "exit"})
    assert fresh.process.wait(10) == 0


def test_the_server_ends_with_its_editor(fresh: RawClient) -> None:
    fresh.initialize()
    assert fresh.process.stdin is not None
    fresh.process.stdin.close()
    fresh.process.stdin = None
    assert fresh.process.wait(10) == 1


def test_a_server_that_is_told_to_end_does_so_quietly() -> None:
    with tempfile.TemporaryFile() as log, raw_client(log=log) as client:
        client.initialize()
        client.process.terminate()
        assert client.process.wait(10) == 143
        log.seek(0)
        assert log.read() == b""


def test_neither_bodies_nor_secrets_are_in_the_log() -> None:
    params = {"session": SESSION, "change": "1", "baseHash": "2", "data": PRIVATE, PRIVATE: PRIVATE}
    with tempfile.TemporaryFile() as log, raw_client(log=log) as client:
        client.ask("initialize", {**INITIALIZE, "initializationOptions": {"key": PRIVATE}, "x": 1})
        client.write(b"Content-Length: %d\r\n\r\n{%s" % (len(PRIVATE) + 1, PRIVATE.encode()))
        for method in ("bbox/review/edit", f"bbox/{PRIVATE}", "workspace/executeCommand"):
            assert "error" in client.ask(method, params)
            client.send({"method": method, "params": params})
        client.send({"method": "$/cancelRequest", "params": {"id": PRIVATE}})
        client.send({"id": PRIVATE, "error": {"code": 1, "message": PRIVATE}})
        assert client.leave() == 0
        log.seek(0)
        assert PRIVATE.encode() not in log.read()
