# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a model, for real agents: it plays a script.

It speaks as OpenAI (Responses and Chat Completions), Anthropic (Messages) and Google
(generateContent) do. It keeps no state: the number of tool outputs in a request says which turn of
the script is next, so retries, several agents at once and restarts all work.

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
from typing import Any, Final, Self

from typing_extensions import override

from demo.chat_completions import ChatCompletions
from demo.dialect import Dialect, Frame
from demo.generate_content import GenerateContent
from demo.messages import Messages
from demo.responses import Responses
from demo.script import Script, load_script

_DIALECTS: Final[tuple[Dialect, ...]] = (
    Responses(),
    Messages(),
    ChatCompletions(),
    GenerateContent(),
)
_MODELS: Final = "/v1/models"


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
    first_at: float = 0.0

    def keep(self, received: Received) -> None:
        with self.lock:
            self.first_at = self.first_at or time.monotonic()
            self.requests.append(received)
            if self.record is not None:
                with self.record.open("a") as log:
                    log.write(json.dumps(asdict(received)) + "\n")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: _State

    def do_GET(self) -> None:
        path = self._path()
        if path != _MODELS:
            self._error(HTTPStatus.NOT_FOUND, f"There is nothing at {path}.")
        elif self._admit(None, {}):
            self._json(HTTPStatus.OK, {"object": "list", "data": [], "models": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            request = json.loads(body)
        except ValueError:
            request = {}
        path = self._path()
        dialect = next((one for one in _DIALECTS if one.serves(path)), None)
        admitted = self._admit(dialect, request)
        if dialect is None:
            self._error(HTTPStatus.NOT_FOUND, f"There is nothing at {path}.")
        elif admitted:
            self._play(dialect, request)

    def _path(self) -> str:
        return self.path.partition("?")[0]

    def _key(self) -> str:
        bearer = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or bearer

    def _admit(self, dialect: Dialect | None, request: dict[str, Any]) -> bool:
        key = self._key()
        is_authorized = hmac.compare_digest(key.encode(), self.state.key.encode())
        self.state.keep(
            Received(
                method=self.command,
                path=self.path,
                key_sha256=hashlib.sha256(key.encode()).hexdigest(),
                is_authorized=is_authorized,
                header_names=tuple(sorted(name.lower() for name in self.headers)),
                tools=tuple(offer.name for offer in dialect.offers(request)) if dialect else (),
                outputs=dialect.outputs(request) if dialect else (),
            )
        )
        if not is_authorized:
            self._error(HTTPStatus.UNAUTHORIZED, "Incorrect API key provided.")
        return is_authorized

    def _play(self, dialect: Dialect, request: dict[str, Any]) -> None:
        released = self.state.released
        if len(dialect.outputs(request)) == self.state.hold_at:
            released.wait()
        whole = dialect.whole(request, self.state.script, self._path())
        if whole is not None:
            self._json(HTTPStatus.OK, whole)
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for frame in dialect.stream(request, self.state.script):
            self._pause(frame)
            self._chunk(frame)
        self.wfile.write(b"0\r\n\r\n")

    def _pause(self, frame: Frame) -> None:
        # The start of an item is where a model thinks; its text then comes quickly.
        pace_s = self.state.pace_s
        time.sleep(pace_s if frame.starts else pace_s / 16 if frame.types else 0)

    def _chunk(self, frame: Frame) -> None:
        name = f"event: {frame.name}\n" if frame.name else ""
        text = frame.data if isinstance(frame.data, str) else json.dumps(frame.data)
        data = f"{name}data: {text}\n\n".encode()
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
        url: The base URL of a provider whose clients want /v1 in it.
        origin: The base URL of the others.
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
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{self.origin}/v1"

    @property
    def requests(self) -> tuple[Received, ...]:
        """All requests so far."""
        with self._state.lock:
            return tuple(self._state.requests)

    @property
    def first_at(self) -> float:
        """When the first request came, on the monotonic clock; 0 as long as none has."""
        return self._state.first_at

    def hold(self, turn: int) -> None:
        """Begin a turn, counted from 0, only when it is released; the last one goes on."""
        self.release()
        self._state.hold_at = turn
        self._state.released = threading.Event()

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
