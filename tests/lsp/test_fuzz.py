# SPDX-License-Identifier: Apache-2.0
"""Whatever a client sends, the server answers the next request."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbox_server.entrypoints.lsp.names import CALLER_METHODS, COMMANDS, HOST_METHODS, RUN
from bbox_server.wire.method import METHODS
from tests.lsp.raw_client import RawClient, raw_client

WAITS = "bbox/sessions/stop"  # the fake host answers it after an hour
NAMES = sorted({*CALLER_METHODS, *HOST_METHODS, RUN} - {WAITS})
STANDARD = (
    *("initialize", "initialized", "workspace/executeCommand", "textDocument/codeAction"),
    *("$/cancelRequest", "$/setTrace", "window/workDoneProgress/cancel", "textDocument/didOpen"),
    *("workspace/didChangeWorkspaceFolders", "$/nonsense", "bbox/nonsense"),
)
SETTINGS = settings(max_examples=150, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
envelopes = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.sampled_from(["2.0", "1.0", 2, None]),
        "id": values,
        "method": st.sampled_from([*NAMES, *STANDARD]) | values,
        "params": values,
        "result": values,
        "error": values,
        "extra": values,
    },
)


@pytest.fixture(scope="module")
def client() -> Iterator[RawClient]:
    with raw_client() as client:
        client.initialize()
        yield client


def is_alive(client: RawClient) -> bool:
    return "agents" in client.ask("bbox/agents/list", {})["result"]


def spoiled(sent: dict[str, Any], at: str, value: object) -> dict[str, Any]:
    return {**sent, at: value}


@SETTINGS
@given(st.binary(max_size=300))
def test_any_bytes(client: RawClient, data: bytes) -> None:
    client.write(data + b"\r\n\r\n")
    assert is_alive(client)


@SETTINGS
@given(st.one_of(envelopes, values))
def test_any_json(client: RawClient, message: object) -> None:
    body = json.dumps(message).encode()
    client.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert is_alive(client)


@SETTINGS
@given(st.sampled_from([*NAMES, *STANDARD[2:]]), values)
def test_any_params(client: RawClient, method: str, params: object) -> None:
    answer = client.ask(method, params)
    assert {"id", "jsonrpc"} < answer.keys()
    assert is_alive(client)


@SETTINGS
@given(st.data())
def test_any_value_in_a_known_field(client: RawClient, data: st.DataObject) -> None:
    method = data.draw(st.sampled_from([item for item in METHODS if item.name in NAMES]))
    sent = dict(method.sent)
    at = data.draw(st.sampled_from(sorted({*sent, "session", "surprise"})))
    answer = client.ask(method.name, spoiled(sent, at, data.draw(values)))
    assert ("result" in answer) != ("error" in answer)
    assert is_alive(client)


@SETTINGS
@given(st.sampled_from(COMMANDS), st.lists(values, max_size=3) | values)
def test_any_arguments_of_a_command(client: RawClient, command: str, arguments: object) -> None:
    params = {"command": command, "arguments": arguments}
    answer = client.ask("workspace/executeCommand", params)
    assert ("result" in answer) != ("error" in answer)
    assert is_alive(client)
