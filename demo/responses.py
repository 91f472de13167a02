# SPDX-License-Identifier: Apache-2.0
"""OpenAI's Responses API, as far as Codex 0.169.0 and OpenCode 1.18.33 use it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from typing_extensions import override

from demo.dialect import MODEL, Dialect, Frame, Offer, Request, call_of, objects, pieces, properties
from demo.script import Script

YIELD_MS: Final = 30_000
"""How long Codex waits for a command before it reports it as still running; its largest value."""


class Responses(Dialect):
    """The dialect."""

    @override
    def serves(self, path: str) -> bool:
        return path == "/v1/responses"

    @override
    def offers(self, request: Request) -> tuple[Offer, ...]:
        return tuple(
            Offer(name=tool.name, parameters=tool.parameters) for tool in _offered(request)
        )

    @override
    def outputs(self, request: Request) -> tuple[str, ...]:
        return tuple(
            _text(item.get("output"))
            for item in _items(request)
            if str(item.get("type")).endswith("_call_output")
        )

    @override
    def stream(self, request: Request, script: Script) -> Iterator[Frame]:
        response = _response(len(self.outputs(request)), self._choose(request, script))
        begun = {**response, "status": "in_progress", "output": [], "usage": None}
        events = [{"type": "response.created", "response": begun}]
        for index, item in enumerate(response["output"]):
            events += _item_events(item, index)
        events.append({"type": "response.completed", "response": response})
        for number, event in enumerate(events):
            yield _event({**event, "sequence_number": number})

    @override
    def whole(self, request: Request, script: Script, path: str) -> dict[str, Any] | None:
        return None

    def _choose(self, request: Request, script: Script) -> list[dict[str, Any]]:
        done = len(self.outputs(request))
        if done >= len(script.turns):
            return [_message(script.final, done)]
        turn = script.turns[done]
        said = [_message(turn.say, done)] if turn.say else []
        for tool in _offered(request):
            if tool.name in _CALLS:
                return [*said, _CALLS[tool.name](turn.command, done) | tool.place()]
        call = call_of(turn, self.offers(request))
        if call is None:
            return [_message(script.final, done)]
        return [*said, _function_call(call.name, call.arguments, done)]


def _items(request: Request) -> list[dict[str, Any]]:
    return objects(request.get("input"))


def _text(output: object) -> str:
    """An output is a text, or it is made of parts."""
    parts = objects(output)
    return "".join(str(part.get("text", "")) for part in parts) if parts else str(output)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """One that the agent offers."""

    name: str
    namespace: str = ""
    parameters: frozenset[str] = frozenset()

    def place(self) -> dict[str, Any]:
        """What a call of it says of its place."""
        return {"namespace": self.namespace} if self.namespace else {}


def _offered(request: Request) -> Iterator[_Tool]:
    """What is offered: in the request, or, to Codex's newest models, as an item of the input."""
    more = [item for item in _items(request) if item.get("type") == "additional_tools"]
    for offer in (request, *more):
        for tool in objects(offer.get("tools")):
            name = str(tool.get("name") or tool.get("type"))
            if tool.get("type") != "namespace":
                yield _Tool(name=name, parameters=properties(tool.get("parameters")))
            for inner in objects(tool.get("tools")):
                yield _Tool(name=str(inner.get("name")), namespace=name)


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


def _response(number: int, items: list[dict[str, Any]]) -> dict[str, Any]:
    usage = {
        "input_tokens": 1200 + 350 * number,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 80,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1280 + 350 * number,
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": MODEL,
        "status": "completed",
        "output": items,
        "usage": usage,
    }


def _item_events(item: dict[str, Any], index: int) -> Iterator[dict[str, Any]]:
    is_message = item["type"] == "message"
    opened = {**item, "content": []} if is_message else item
    yield {"type": "response.output_item.added", "output_index": index, "item": opened}
    if is_message:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        for piece in pieces(item["content"][0]["text"]):
            yield {"type": "response.output_text.delta", **place, "delta": piece}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _event(data: dict[str, Any]) -> Frame:
    return Frame(
        name=str(data["type"]),
        data=data,
        starts=data["type"] == "response.output_item.added",
        types=data["type"] == "response.output_text.delta",
    )
