# SPDX-License-Identifier: Apache-2.0
"""Requests and streamed answers of OpenAI's Responses API, as far as Codex 0.169.0 uses them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from demo.script import Script

MODEL: Final = "mock-model"
YIELD_MS: Final = 30_000
"""How long Codex waits for a command before it reports it as still running; its largest value."""

DELTA_CHARACTERS: Final = 24


def choose(request: dict[str, Any], script: Script) -> list[dict[str, Any]]:
    """The output items that answer a request."""
    done = len(tool_outputs(request))
    tool = next((tool for tool in offered_tools(request) if tool.name in _CALLS), None)
    if done >= len(script.turns) or tool is None:
        return [_message(script.final, done)]
    turn = script.turns[done]
    said = [_message(turn.say, done)] if turn.say else []
    return [*said, _CALLS[tool.name](turn.run, done) | tool.place()]


def _items(request: dict[str, Any]) -> list[dict[str, Any]]:
    return _objects(request.get("input"))


def _objects(given: object) -> list[dict[str, Any]]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def tool_outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    """What the agent's tools answered so far."""
    return [item for item in _items(request) if str(item.get("type")).endswith("_call_output")]


def output_text(output: object) -> str:
    """An output as text: it is one, or it is made of parts."""
    parts = _objects(output)
    return "".join(str(part.get("text", "")) for part in parts) if parts else str(output)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One that the agent offers."""

    name: str
    namespace: str = ""

    def place(self) -> dict[str, Any]:
        """What a call of it says of its place."""
        return {"namespace": self.namespace} if self.namespace else {}


def offered_tools(request: dict[str, Any]) -> Iterator[Tool]:
    """What is offered: in the request, or, to Codex's newest models, as an item of the input."""
    more = [item for item in _items(request) if item.get("type") == "additional_tools"]
    for offer in (request, *more):
        for tool in _objects(offer.get("tools")):
            name = str(tool.get("name") or tool.get("type"))
            if tool.get("type") != "namespace":
                yield Tool(name=name)
            for inner in _objects(tool.get("tools")):
                yield Tool(name=str(inner.get("name")), namespace=name)


def _message(text: str, number: int) -> dict[str, Any]:
    return {
        "type": "message",
        "role": "assistant",
        "id": f"msg_{number}",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def _function_call(name: str, arguments: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": name,
        "arguments": json.dumps(arguments),
        "status": "completed",
    }


def _exec_command(command: str, number: int) -> dict[str, Any]:
    arguments = {"cmd": command, "yield_time_ms": YIELD_MS}
    return _function_call("exec_command", arguments, number)


def _shell_command(command: str, number: int) -> dict[str, Any]:
    arguments = {"command": command, "timeout_ms": YIELD_MS}
    return _function_call("shell_command", arguments, number)


def _javascript(command: str, number: int) -> dict[str, Any]:
    arguments = json.dumps({"cmd": command, "yield_time_ms": YIELD_MS})
    source = _SOURCE.replace("ARGUMENTS", arguments)
    return {
        "type": "custom_tool_call",
        "id": f"ctc_{number}",
        "call_id": f"call_{number}",
        "name": "exec",
        "input": source,
        "status": "completed",
    }


# An emulated guest is slow: a command that still runs is waited for.
_SOURCE: Final = f"""// @exec: {{"yield_time_ms": {20 * YIELD_MS}}}
let done = await tools.exec_command(ARGUMENTS);
let output = done.output;
while (done.session_id !== undefined) {{
  const more = {{ session_id: done.session_id, chars: "", yield_time_ms: {YIELD_MS} }};
  done = await tools.write_stdin(more);
  output += done.output;
}}
text(output);
"""

# How a command is run depends on what Codex offers to the model that it was told to use.
_CALLS: Final = {
    "exec": _javascript,
    "exec_command": _exec_command,
    "shell_command": _shell_command,
}


def stream(items: list[dict[str, Any]], number: int) -> Iterator[dict[str, Any]]:
    """The events of a streamed response, text in small pieces."""
    response = {"id": f"resp_{number}", "object": "response", "model": MODEL}
    yield {"type": "response.created", "response": {**response, "status": "in_progress"}}
    for index, item in enumerate(items):
        yield from _item_events(item, index)
    usage = {
        "input_tokens": 1200 + 350 * number,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 80,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1280 + 350 * number,
    }
    completed = {**response, "status": "completed", "output": items, "usage": usage}
    yield {"type": "response.completed", "response": completed}


def _item_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    is_message = item["type"] == "message"
    opened = {**item, "content": []} if is_message else item
    yield {"type": "response.output_item.added", "output_index": index, "item": opened}
    if is_message:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        text = item["content"][0]["text"]
        for start in range(0, len(text), DELTA_CHARACTERS):
            delta = text[start : start + DELTA_CHARACTERS]
            yield {"type": "response.output_text.delta", **place, "delta": delta}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}
