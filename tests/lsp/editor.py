# SPDX-License-Identifier: Apache-2.0
"""An editor: it keeps what it hears, and answers what it is asked."""

import base64
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from typing_extensions import override

from tests.lsp.raw_client import RawClient

SERVER: Final = (str(Path(sys.executable).with_name("bbox-server")), "--stdio")
# Images and the guest system are the machine's; empty is its usual place.
MACHINE_CACHE: Final = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", "")}
STAND_IN: Final = (sys.executable, "-m", "tests.lsp.stand_in", "--stdio")
ROOT: Final = Path(__file__).parents[2]
HOSTS_END_S: Final = 20
Message = dict[str, Any]


class Editor(RawClient):
    """A client of the language server.

    Attributes:
        heard: Notifications and requests of the server, in order.
        answers: What its requests are answered with, by method; null where there is nothing.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        super().__init__(process)
        self.heard: list[Message] = []
        self.answers: dict[str, Callable[[Message], object]] = {}

    @override
    def read(self) -> Message:
        message = super().read()
        if "method" in message:
            self.heard.append(message)
            if "id" in message:
                answer = self.answers.get(message["method"], lambda _: None)
                self.send({"id": message["id"], "result": answer(message["params"])})
        return message

    def request(self, method: str, **params: object) -> Any:
        """Ask; the answer must be a result."""
        answer = self.ask(method, params)
        assert "result" in answer, answer
        return answer["result"]

    def failure(self, method: str, **params: object) -> Any:
        """Ask for what can't be done; returns the error's data, or the error."""
        error = self.ask(method, params)["error"]
        return error.get("data", error)

    def command(self, name: str, *arguments: object) -> Any:
        params = {"command": name, "arguments": arguments}
        answer = self.ask("workspace/executeCommand", params)
        assert "result" in answer, answer
        return answer["result"]

    def until(self, method: str, matches: Callable[[Message], object] = bool) -> Message:
        """The first message of a method that matches, heard already or next."""
        seen = 0
        while True:
            for message in self.heard[seen:]:
                seen += 1
                if message["method"] == method and matches(message["params"]):
                    params: Message = message["params"]
                    return params
            self.read()

    def until_state(self, session: str, state: str) -> None:
        def is_it(event: Message) -> bool:
            return (event["session"], event["fields"].get("state")) == (session, state)

        self.until("bbox/event", is_it)

    def until_changes(self, session: str) -> None:
        def is_it(event: Message) -> bool:
            return (event["session"], event["kind"]) == (session, "changes")

        self.until("bbox/event", is_it)

    def params(self, method: str) -> list[Message]:
        """Of all messages of a method, so far."""
        return [message["params"] for message in self.heard if message["method"] == method]


@contextmanager
def editor(home: Path, *argv: str, env: Mapping[str, str] | None = None) -> Iterator[Editor]:
    """An editor with a server of its own; all state is in its home."""
    own = {
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        argv or STAND_IN,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **own, **(env or {})},
    )
    try:
        yield Editor(process)
    finally:
        process.kill()
        process.communicate()


def wait_for_hosts(home: Path) -> None:
    """Hosts outlive their server for a moment; their directories must not go before they do."""
    deadline = time.monotonic() + HOSTS_END_S
    while _processes_of(home):
        assert time.monotonic() < deadline, "a host outlives its clients"
        time.sleep(0.05)


def _processes_of(home: Path) -> list[Path]:
    """Those whose environment names the home (proc(5), environ)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile
            if os.fsencode(home) in path.read_bytes():
                found.append(path)
    return found


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def host_of(session: str) -> int:
    """The process that has the session among its arguments (proc(5), cmdline)."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if session.encode() in path.read_bytes().split(b"\0"):
            return int(path.parent.name)
    raise AssertionError(session)
