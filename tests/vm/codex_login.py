# SPDX-License-Identifier: Apache-2.0
"""A login of Codex's, and an endpoint that renews it once."""

import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from typing_extensions import override


def codex_token(name: str, until_s: float) -> str:
    """An access token: a JWT that ends then, and is signed by nobody."""
    payload = json.dumps({"sub": name, "exp": int(until_s)}).encode()
    return f"eyJhbGciOiJSUzI1NiJ9.{urlsafe_b64encode(payload).decode().rstrip('=')}.c2ln"


def codex_login(access: str, refresh: str) -> bytes:
    """`~/.codex/auth.json`, as `codex login` leaves it."""
    tokens = {"id_token": "id", "access_token": access, "refresh_token": refresh}
    return json.dumps({"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": None}).encode()


@contextmanager
def token_endpoint(answer: Mapping[str, str]) -> Iterator[str]:
    """The URL of an endpoint on loopback that gives these tokens."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.dumps(dict(answer)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/oauth/token"
        finally:
            server.shutdown()
            thread.join()
