# SPDX-License-Identifier: Apache-2.0
"""An editor that can misbehave: bytes to a server's standard input, messages from its output."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

FAKE: Final = (sys.executable, "-m", "tests.lsp.fake_server", "--stdio")
INITIALIZE: Final[dict[str, object]] = {"processId": None, "rootUri": None, "capabilities": {}}


class RawClient:
    """One server as a child process, on its standard streams or on a connection."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        sink: IO[bytes] | None = None,
        source: IO[bytes] | None = None,
    ) -> None:
        self.process = process
        self._sink = sink or process.stdin
        self._source = source or process.stdout
        self._number = 0

    def send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def write(self, data: bytes) -> None:
        assert self._sink is not None
        self._sink.write(data)
        self._sink.flush()

    def read(self) -> dict[str, Any]:
        """The next message, whatever it is."""
        assert self._source is not None
        length = 0
        while line := self._source.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._source.read(length))
        return message

    def start(self, method: str, params: object = None) -> int:
        """Send a request without waiting; None leaves params out."""
        self._number += 1
        rest = {} if params is None else {"params": params}
        self.send({"id": self._number, "method": method, **rest})
        return self._number

    def answer(self, number: object) -> dict[str, Any]:
        """The answer to a request; what comes before it is passed over."""
        while (message := self.read()).get("id", "none") != number:
            pass
        return message

    def ask(self, method: str, params: object = None) -> dict[str, Any]:
        return self.answer(self.start(method, params))

    def initialize(self) -> dict[str, Any]:
        answer = self.ask("initialize", INITIALIZE)
        self.send({"method": "initialized", "params": {}})
        return answer

    def leave(self) -> int:
        """Say goodbye; returns the server's exit code."""
        self.ask("shutdown")
        self.send({"method": "exit"})
        return self.process.wait(10)


@contextmanager
def raw_client(
    *argv: str, env: Mapping[str, str] | None = None, log: IO[bytes] | None = None
) -> Iterator[RawClient]:
    process = subprocess.Popen(
        argv or FAKE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=env
    )
    try:
        yield RawClient(process)
    finally:
        process.kill()
        process.communicate()


def resident_kib(pid: int) -> int:
    """The memory that a process has now (proc(5), VmRSS)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
