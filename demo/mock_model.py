# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a model behind OpenAI's Responses API, for a real Codex CLI: it plays a script.

It keeps no state: the number of tool outputs in a request says which turn of the script is next,
so retries, several agents at once and restarts all work. Only the standard library is used.

    MOCK_MODEL_KEY=… python -m demo.mock_model --script demo/scripts/demo.json

prints {"url": "http://127.0.0.1:PORT/v1"} when it listens.
"""

import argparse
import hashlib
import hmac
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from typing_extensions import override

MODEL: Final = "mock-model"
YIELD_MS: Final = 30_000
"""How long Codex waits for a command before it reports it as still running; its largest value."""

DELTA_CHARACTERS: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer: some words, and a command for the agent to run (none in the last turn)."""

    say: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the model answers, in order."""

    turns: tuple[Turn, ...]
    final: str


def load_script(path: Path) -> Script:
    """Read a script; a command is a string or a list of lines."""
    content = json.loads(path.read_text())
    turns = tuple(
        Turn(say=turn.get("say", ""), run=_lines(turn["run"])) for turn in content["turns"]
    )
    return Script(turns=turns, final=content["final"])


def _lines(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "\n".join(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request. The key is kept as a digest only; `outputs` are those of the agent's tools."""

    method: str
    path: str
    key_sha256: str
    is_authorized: bool
    header_names: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
    script: Script
    key: str
    pace_s: float
    record: Path | None
    requests: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, received: Received) -> None:
        with self.lock:
            self.requests.append(received)
            if self.record is not None:
                with self.record.open("a") as log:
                    log.write(json.dumps(asdict(received)) + "\n")


def choose(request: dict[str, Any], script: Script) -> list[dict[str, Any]]:
    """The output items that answer a request."""
    done = len(_outputs(request))
    tool = next((tool for tool in _tools(request) if tool.name in _CALLS), None)
    if done >= len(script.turns) or tool is None:
        return [_message(script.final, done)]
    turn = script.turns[done]
    said = [_message(turn.say, done)] if turn.say else []
    return [*said, _CALLS[tool.name](turn.run, done) | tool.place()]


def _items(request: dict[str, Any]) -> list[dict[str, Any]]:
    return _objects(request.get("input"))


def _objects(given: object) -> list[dict[str, Any]]:
    return [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []


def _outputs(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in _items(request) if str(item.get("type")).endswith("_call_output")]


def _text(output: object) -> str:
    parts = _objects(output)
    return "".join(str(part.get("text", "")) for part in parts) if parts else str(output)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    name: str
    namespace: str = ""

    def place(self) -> dict[str, Any]:
        return {"namespace": self.namespace} if self.namespace else {}


def _tools(request: dict[str, Any]) -> Iterator[_Tool]:
    """What is offered: in the request, or, to Codex's newest models, as an item of the input."""
    more = [item for item in _items(request) if item.get("type") == "additional_tools"]
    for offer in (request, *more):
        for tool in _objects(offer.get("tools")):
            name = str(tool.get("name") or tool.get("type"))
            if tool.get("type") != "namespace":
                yield _Tool(name=name)
            for inner in _objects(tool.get("tools")):
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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: _State

    def do_GET(self) -> None:
        if self._admit({}) and self._path() == "/v1/models":
            self._json(HTTPStatus.OK, {"object": "list", "data": [], "models": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            request = json.loads(body)
        except ValueError:
            request = {}
        if self._admit(request) and self._path() == "/v1/responses":
            self._play(request)

    def _path(self) -> str:
        path = self.path.partition("?")[0]
        if path not in {"/v1/models", "/v1/responses"}:
            self._error(HTTPStatus.NOT_FOUND, f"There is nothing at {path}.")
        return path

    def _admit(self, request: dict[str, Any]) -> bool:
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        is_authorized = hmac.compare_digest(key.encode(), self.state.key.encode())
        self.state.keep(
            Received(
                method=self.command,
                path=self.path,
                key_sha256=hashlib.sha256(key.encode()).hexdigest(),
                is_authorized=is_authorized,
                header_names=tuple(sorted(name.lower() for name in self.headers)),
                tools=tuple(tool.name for tool in _tools(request)),
                outputs=tuple(_text(item.get("output")) for item in _outputs(request)),
            )
        )
        if not is_authorized:
            self._error(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.")
        return is_authorized

    def _play(self, request: dict[str, Any]) -> None:
        items = choose(request, self.state.script)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(stream(items, len(_outputs(request)))):
            self._pause(event)
            self._chunk({**event, "sequence_number": number})
        self.wfile.write(b"0\r\n\r\n")

    def _pause(self, event: dict[str, Any]) -> None:
        # The start of an item is where a model thinks; its text then comes quickly.
        is_start = event["type"] == "response.output_item.added"
        is_text = event["type"] == "response.output_text.delta"
        time.sleep(self.state.pace_s if is_start else self.state.pace_s / 16 if is_text else 0)

    def _chunk(self, event: dict[str, Any]) -> None:
        data = f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _error(self, status: HTTPStatus, message: str) -> None:
        self._json(status, {"error": {"message": message, "type": "mock", "code": status.value}})

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        # An agent that is stopped breaks its connections off; anything else is a defect here.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as given


class MockModel:
    """A server in threads of this process, for the time of a `with`.

    Attributes:
        url: The provider's base URL, with /v1.
    """

    def __init__(
        self,
        script: Script,
        *,
        key: str,
        pace_s: float = 0.0,
        port: int = 0,
        record: Path | None = None,
    ) -> None:
        self._state = _State(script=script, key=key, pace_s=pace_s, record=record)
        handler = type("Handler", (_Handler,), {"state": self._state})
        self._server = _Server(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> tuple[Received, ...]:
        """All requests so far."""
        with self._state.lock:
            return tuple(self._state.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m demo.mock_model", description=__doc__)
    parser.add_argument("--script", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds before each step")
    parser.add_argument("--record", type=Path, help="append one JSON line a request")
    options = parser.parse_args()
    key = os.environ.get("MOCK_MODEL_KEY", "")
    if not key:
        parser.error("set MOCK_MODEL_KEY to the key that requests have to carry")
    script = load_script(options.script)
    with MockModel(
        script, key=key, pace_s=options.pace, port=options.port, record=options.record
    ) as mock:
        sys.stdout.write(json.dumps({"url": mock.url}) + "\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
