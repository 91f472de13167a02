# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a model behind OpenAI's Responses API, for a real Codex CLI: it plays a script.

It keeps no state: the number of tool outputs in a request says which turn of the script is next,
so retries, several agents at once and restarts all work.

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
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from demo.responses import choose, offered_tools, output_text, stream, tool_outputs
from demo.script import Script, load_script


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
    hold_at: int | None = None
    released: threading.Event = field(default_factory=threading.Event)
    requests: list[Received] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, received: Received) -> None:
        with self.lock:
            self.requests.append(received)
            if self.record is not None:
                with self.record.open("a") as log:
                    log.write(json.dumps(asdict(received)) + "\n")


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
                tools=tuple(tool.name for tool in offered_tools(request)),
                outputs=tuple(output_text(item.get("output")) for item in tool_outputs(request)),
            )
        )
        if not is_authorized:
            self._error(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.")
        return is_authorized

    def _play(self, request: dict[str, Any]) -> None:
        if len(tool_outputs(request)) == self.state.hold_at:
            self.state.released.wait()
        items = choose(request, self.state.script)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, event in enumerate(stream(items, len(tool_outputs(request)))):
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

    def hold(self, turn: int) -> None:
        """Begin a turn, counted from 0, only when it is released."""
        self._state.hold_at = turn

    def release(self) -> None:
        """Go on with the turn that is held, now or when it comes."""
        self._state.released.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
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
