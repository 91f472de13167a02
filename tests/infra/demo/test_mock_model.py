# SPDX-License-Identifier: Apache-2.0
"""The stand-in for the model, as the demo and the end-to-end tests use it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo.mock_model import MockModel
from demo.script import Script, Turn, load_script

SCRIPTS = Path(__file__).parents[3] / "demo" / "scripts"
SCRIPT = Script(turns=(Turn(say="First.", run="one"), Turn(run="two")), final="The end.")
TOOLS = [{"type": "function", "name": "exec_command"}]


def _ask(url: str, request: dict[str, Any], key: str = "k") -> tuple[int, list[dict[str, Any]]]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    headers = {"Authorization": f"Bearer {key}"}
    connection.request("POST", f"{parts.path}/responses", json.dumps(request), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return answer.status, [json.loads(event) for event in events]


def _items(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event["item"] for event in events if event["type"] == "response.output_item.done"]


def _after(count: int) -> dict[str, Any]:
    outputs = [{"type": "function_call_output", "output": f"o{n}"} for n in range(count)]
    return {"tools": TOOLS, "input": [{"type": "message", "role": "user"}, *outputs]}


def test_the_first_request_is_answered_with_the_first_turn() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        _, events = _ask(mock.url, _after(0))
    said, call = _items(events)
    assert said["content"][0]["text"] == "First."
    assert (call["name"], json.loads(call["arguments"])["cmd"]) == ("exec_command", "one")


def test_the_number_of_tool_outputs_chooses_the_turn() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        _, events = _ask(mock.url, _after(1))
        assert json.loads(_items(events)[0]["arguments"])["cmd"] == "two"
        assert _ask(mock.url, _after(1))[1] == events


def test_after_the_last_turn_comes_the_final_message() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        _, events = _ask(mock.url, _after(2))
    assert [item["type"] for item in _items(events)] == ["message"]
    deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    assert "".join(deltas) == "The end."


def test_a_request_without_a_shell_is_answered_in_words() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        _, events = _ask(mock.url, {"input": "a title, please"})
    assert [item["type"] for item in _items(events)] == ["message"]


def test_a_model_that_is_offered_javascript_runs_its_commands_by_that() -> None:
    # What Codex 0.169.0 sends for the model that it takes by default.
    offer = {
        "type": "namespace",
        "name": "functions",
        "tools": [{"type": "custom", "name": "exec"}],
    }
    request = {"input": [{"type": "additional_tools", "tools": [offer]}]}
    with MockModel(SCRIPT, key="k") as mock:
        _, events = _ask(mock.url, request)
    call = _items(events)[-1]
    assert (call["type"], call["name"], call["namespace"]) == (
        "custom_tool_call",
        "exec",
        "functions",
    )
    assert 'tools.exec_command({"cmd": "one"' in call["input"]


def test_an_output_in_parts_is_kept_as_one_text() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    with MockModel(SCRIPT, key="k") as mock:
        _ask(mock.url, {"input": [{"type": "custom_tool_call_output", "output": parts}]})
        assert mock.requests[-1].outputs == ("ab",)


def test_another_key_is_refused_and_only_its_digest_kept() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        status, _ = _ask(mock.url, _after(0), key="placeholder")
        (received,) = mock.requests
    assert (status, received.is_authorized) == (401, False)
    assert "placeholder" not in repr(received)


def test_outputs_of_the_agents_tools_are_kept() -> None:
    with MockModel(SCRIPT, key="k") as mock:
        _ask(mock.url, _after(2))
        assert mock.requests[-1].outputs == ("o0", "o1")


def test_a_turn_that_is_held_begins_when_it_is_released() -> None:
    with MockModel(SCRIPT, key="k") as mock, ThreadPoolExecutor() as threads:
        mock.hold(1)
        assert _ask(mock.url, _after(0))[0] == 200
        held = threads.submit(_ask, mock.url, _after(1))
        with pytest.raises(TimeoutError):
            held.result(timeout=0.2)
        mock.release()
        assert held.result(timeout=10)[0] == 200


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_command_of_a_script_is_shell_that_parses(path: Path) -> None:
    for turn in load_script(path).turns:
        checked = subprocess.run(("/bin/sh", "-n"), input=turn.run.encode(), check=False)
        assert checked.returncode == 0


def test_it_runs_as_a_program_that_says_where_it_listens() -> None:
    argv = (sys.executable, "-m", "demo.mock_model", "--script", str(SCRIPTS / "demo.json"))
    environment = {**os.environ, "MOCK_MODEL_KEY": "k"}
    root = SCRIPTS.parents[1]
    with subprocess.Popen(  # this interpreter and a module of ours
        argv, stdout=subprocess.PIPE, env=environment, cwd=root
    ) as program:
        assert program.stdout is not None
        url = json.loads(program.stdout.readline())["url"]
        status, _ = _ask(url, _after(0))
        program.terminate()
    assert status == 200
