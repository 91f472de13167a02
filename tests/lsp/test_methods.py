# SPDX-License-Identifier: Apache-2.0
"""Every method over the language server, with hosts in memory."""

import asyncio
import sys
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient

from bbox_server.entrypoints.lsp import names
from bbox_server.wire.command import COMMANDS
from bbox_server.wire.lifecycle import PROTOCOL_VERSION
from bbox_server.wire.method import METHODS, NOTIFICATIONS, Method, Place
from tests.fakes.gateway import SESSION

pytestmark = pytest.mark.asyncio(loop_scope="module")


def command(name: str) -> Method:
    return next(item for item in COMMANDS if item.name == name)


FAILS = {"bbox/flush/undo", "bbox/sessions/stop"}


@pytest_lsp.fixture(
    config=ClientServerConfig(
        server_command=[sys.executable, "-m", "tests.lsp.fake_server", "--stdio"]
    ),
    scope="module",
)
async def client(lsp_client: LanguageClient) -> Any:
    await lsp_client.initialize_session(
        types.InitializeParams(capabilities=types.ClientCapabilities())
    )
    yield
    await lsp_client.shutdown_session()


def plain(value: Any) -> Any:
    """Answers come as named tuples of pygls's client."""
    if hasattr(value, "_asdict"):
        return {name: plain(part) for name, part in value._asdict().items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


async def ask(client: LanguageClient, method: str, params: object) -> Any:
    return plain(await client.protocol.send_request_async(method, params))


@pytest.mark.parametrize(
    "method", [item for item in METHODS if item.name not in FAILS], ids=lambda item: str(item.name)
)
async def test_a_method_is_answered_as_the_table_says(
    client: LanguageClient, method: Method
) -> None:
    answer = await ask(client, method.name, dict(method.sent))
    read = method.result.model_validate(answer)
    if method.place is Place.HOST:
        assert read == method.result.model_validate(method.answered)


async def test_an_agent_says_where_it_is_defined(client: LanguageClient) -> None:
    agents = (await ask(client, "bbox/agents/list", {}))["agents"]
    found = {agent["name"]: agent["source"] for agent in agents}
    assert found == {"codex": "built-in", "own": "config"}


async def test_a_failure_carries_cause_and_remediation(client: LanguageClient) -> None:
    with pytest.raises(JsonRpcException) as raised:
        await ask(client, "bbox/flush/undo", {"session": SESSION})
    assert raised.value.code == -32803
    assert plain(raised.value.data)["code"] == "flush.unknown"
    assert plain(raised.value.data)["remediation"] == "Flush first."


async def test_bad_params_are_named(client: LanguageClient) -> None:
    with pytest.raises(JsonRpcException) as raised:
        await ask(client, "bbox/changes/get", {"session": SESSION, "surprise": 1})
    assert raised.value.code == -32602
    assert "change: Field required" in str(raised.value)
    assert "surprise" in str(raised.value)


async def test_an_unknown_session_is_told(client: LanguageClient) -> None:
    with pytest.raises(JsonRpcException) as raised:
        await ask(client, "bbox/changes/list", {"session": "00000000"})
    assert plain(raised.value.data)["code"] == "session.unknown"


async def test_notifications_of_a_host_reach_the_editor(client: LanguageClient) -> None:
    heard: dict[str, Any] = {}
    done = asyncio.Event()
    for notification in NOTIFICATIONS:

        def hear(params: Any, name: str = notification.name) -> None:
            heard[name] = plain(params)
            if len(heard) == len(NOTIFICATIONS):
                done.set()

        client.feature(notification.name)(hear)
    await ask(client, "bbox/terminal/open", {"session": SESSION})
    await ask(client, "bbox/subscribe", {"session": SESSION})
    async with asyncio.timeout(10):
        await done.wait()
    assert heard == {item.name: item.sent for item in NOTIFICATIONS}


@pytest.mark.parametrize(
    ("name", "arguments", "answered"),
    [
        ("bbox.run", {"workspaceUri": "file:///w", "agent": "codex"}, "id"),
        ("bbox.review", {"session": SESSION}, "undecided"),
        ("bbox.decide", command("bbox.decide").sent, "changes"),
        ("bbox.apply", {"session": SESSION, "ask": False}, "flush"),
        ("bbox.undoDecision", {"session": SESSION}, "changes"),
        ("bbox.showDiff", {"session": SESSION, "change": "c1"}, "diff"),
    ],
)
async def test_any_editor_can_use_the_commands(
    client: LanguageClient, name: str, arguments: dict[str, Any], answered: str
) -> None:
    answer = await client.workspace_execute_command_async(
        types.ExecuteCommandParams(command=name, arguments=[arguments])
    )
    assert answered in plain(answer)


async def test_the_names_are_those_of_the_table() -> None:
    hosted = [m.name for m in METHODS if m.place is Place.HOST and m.name != names.RUN]
    assert sorted(names.HOST_METHODS) == sorted(hosted)
    assert sorted(names.CALLER_METHODS) == sorted(
        m.name for m in METHODS if m.place is Place.CALLER
    )
    assert names.PROTOCOL_VERSION == PROTOCOL_VERSION
