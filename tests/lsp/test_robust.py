# SPDX-License-Identifier: Apache-2.0
"""Clients that break the rules: answered as LSP 3.17 says, and the server lives on."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bbox_server.wire.frame import BODY_LIMIT_BYTES
from bbox_server.wire.lifecycle import PROTOCOL_VERSION
from tests.fakes.gateway import SESSION
from tests.lsp.raw_client import RawClient, raw_client

HEAVY = ("pydantic", "asyncssh", "aiohttp", "yaml", "pathspec", "cedarpy", "unidiff")


@pytest.fixture
def client() -> Iterator[RawClient]:
    with raw_client() as client:
        yield client


def is_alive(client: RawClient) -> bool:
    return "agents" in client.ask("bbox/agents/list", {})["result"]


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
def test_a_malformed_frame_is_told_and_survived(client: RawClient, garbage: bytes) -> None:
    client.initialize()
    client.write(garbage)
    assert client.answer(None)["error"]["code"] == -32700
    assert is_alive(client)


def test_nothing_is_answered_before_initialize(client: RawClient) -> None:
    assert client.ask("bbox/agents/list", {})["error"]["code"] == -32002
    assert "result" in client.initialize()


def test_initialize_says_the_version(client: RawClient) -> None:
    offered = client.initialize()["result"]["capabilities"]["experimental"]
    assert offered["bbox"]["protocolVersion"] == PROTOCOL_VERSION


def test_an_unknown_method_is_told(client: RawClient) -> None:
    client.initialize()
    assert client.ask("bbox/nonsense", {})["error"]["code"] == -32601
    assert is_alive(client)


@pytest.mark.parametrize("params", [None, [], [1], "text", 5], ids=repr)
def test_params_that_are_no_object_are_told(client: RawClient, params: object) -> None:
    client.initialize()
    assert client.ask("bbox/changes/list", params)["error"]["code"] == -32602
    assert is_alive(client)


def test_bad_params_of_a_standard_method_are_told(client: RawClient) -> None:
    client.initialize()
    answer = client.ask("workspace/executeCommand", {"command": 5, "arguments": "none"})
    assert answer["error"]["code"] in {-32602, -32601}
    assert is_alive(client)


def test_a_request_can_be_cancelled(client: RawClient) -> None:
    client.initialize()
    number = client.start("bbox/sessions/stop", {"session": SESSION})
    client.send({"method": "$/cancelRequest", "params": {"id": number}})
    assert client.answer(number)["error"]["code"] == -32800
    assert is_alive(client)


def test_a_thousand_requests_in_flight_are_all_answered(client: RawClient) -> None:
    client.initialize()
    numbers = [client.start("bbox/sessions/get", {"session": SESSION}) for _ in range(1000)]
    answered = {client.read()["id"] for _ in numbers}
    assert answered == set(numbers)


def test_the_server_ends_with_its_editor(client: RawClient) -> None:
    client.initialize()
    assert client.process.stdin is not None
    client.process.stdin.close()
    client.process.stdin = None
    assert client.process.wait(10) == 1


def test_exit_after_shutdown_is_a_success(client: RawClient) -> None:
    client.initialize()
    client.ask("shutdown")
    client.send({"method": "exit"})
    assert client.process.wait(10) == 0


def test_initialize_imports_nothing_heavy() -> None:
    code = (
        "import sys, bbox_server.bootstrap as b\n"
        "from bbox_server.entrypoints.lsp.server import BboxServer\n"
        "BboxServer(b.Composition(environ={}).lsp_services('1'))\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
