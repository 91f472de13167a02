# SPDX-License-Identifier: Apache-2.0
"""An editor with the language server, and a session in a microVM or with a stand-in for it."""

import base64
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bbox_server.infra.host.directories import resolve_directories
from tests.lsp.editor import Editor, base64_of, editor
from tests.lsp.raw_client import INITIALIZE
from tests.lsp.stand_in import AGENT

IMAGE: Final = "ghcr.io/stacklok/brood-box/base:latest"
SERVER: Final = str(Path(sys.executable).with_name("bbox-server"))
SIZE: Final = {"cols": 100, "rows": 30}


class Session:
    """A running session, its terminal open.

    Attributes:
        upper: Where the guest's writes become visible to the host.
        position: Of the next byte of the terminal.
    """

    def __init__(self, client: Editor, session: str, upper: Path) -> None:
        self.client = client
        self.id = session
        self.upper = upper
        self.client.request("bbox/subscribe", session=session)
        opened = client.request("bbox/terminal/open", session=session, size=SIZE)
        self.view = {"session": session, "terminal": opened["terminal"]}
        self.position = 0

    def type(self, data: bytes) -> None:
        self.client.start("bbox/terminal/input", {**self.view, "data": base64_of(data)})

    def output(self) -> bytes:
        """The next output; it is acknowledged."""
        while True:
            message = self.client.read()
            if message.get("method") == "bbox/terminal/data":
                self.client.heard.clear()
                data = base64.b64decode(message["params"]["data"])
                self.position = message["params"]["fromByte"] + len(data)
                self.client.start("bbox/terminal/ack", {**self.view, "byte": self.position})
                return data

    def expect(self, text: bytes) -> None:
        shown = b""
        while text not in shown:
            shown += self.output()


@contextmanager
def guest_session(script: str, workspace: Path | None = None) -> Iterator[Session]:
    """A shell script in a real microVM."""
    # Images and the guest system are the machine's.
    cache = resolve_directories(os.environ, uid=os.geteuid()).cache.parent
    own = {"XDG_CACHE_HOME": str(cache)}
    run: dict[str, object] = {"image": IMAGE, "args": ["sh", "-c", script], "options": {"cpus": 1}}
    with (
        _home() as home,
        editor(home, SERVER, "--stdio", env=own) as client,
        _running(client, home, workspace, run) as session,
    ):
        yield session


@contextmanager
def stand_in_session(*steps: str) -> Iterator[Session]:
    """The same way but for the guest, which is Python in the session's host."""
    run: dict[str, object] = {"agent": AGENT, "args": steps}
    with _home() as home, editor(home) as client, _running(client, home, None, run) as session:
        yield session


@contextmanager
def _running(
    client: Editor, home: Path, workspace: Path | None, run: dict[str, object]
) -> Iterator[Session]:
    own = home / "workspace"
    own.mkdir()
    client.ask("initialize", INITIALIZE)
    uri = (workspace or own).as_uri()
    session = client.request("bbox/run", workspaceUri=uri, terminal=SIZE, **run)["id"]
    try:
        yield Session(client, session, home / "state/bbox/sessions" / session / "upper/u")
    finally:
        client.ask("bbox/sessions/stop", {"session": session, "mode": "now"})


@contextmanager
def _home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


def spread(seconds: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"p50 {statistics.median(seconds) * 1000:8.1f} ms   p95 {p95 * 1000:8.1f} ms"


def megabytes_per_second(count: int, started: float) -> str:
    return f"{count / (time.monotonic() - started) / 1e6:8.1f} MB/s"
