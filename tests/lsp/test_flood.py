# SPDX-License-Identifier: Apache-2.0
"""200 MB of terminal output: through a session's host and the server into a slow editor.

The editor shows on only when something else that it asked for was answered.
"""

import base64
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.lsp.editor import Editor, Message, base64_of, editor, host_of, wait_for_hosts
from tests.lsp.raw_client import resident_kib
from tests.lsp.stand_in import AGENT, CHUNK, flood

FLOOD_MIB: Final = 200
WARM_BYTES: Final = 8 << 20
"""By then every buffer has its size."""

GROWTH_KIB: Final = 32 << 10
P95_S: Final = 0.2


@pytest.fixture
def home() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="bbox-"))
    directory.chmod(0o711)
    yield directory
    wait_for_hosts(directory)
    shutil.rmtree(directory)


class Panel:
    """What the editor has shown; it must be what the agent said, from the first byte on."""

    def __init__(self, first: int) -> None:
        self._first = first
        self.shown = 0

    @property
    def position(self) -> int:
        """Of the next byte, from the terminal's beginning."""
        return self._first + self.shown

    def show(self, data: Message) -> None:
        content = base64.b64decode(data["data"])
        assert data["fromByte"] == self.position
        begin = self.shown % CHUNK
        expected = flood(self.shown - begin) + flood(self.shown - begin + CHUNK)
        assert expected[begin:].startswith(content)
        self.shown += len(content)


@pytest.mark.e2e  # it measures: nothing else runs beside it
@pytest.mark.timeout(300)
def test_a_flood_costs_no_memory_and_holds_nobody_up(home: Path) -> None:
    workspace = home / "workspace"
    workspace.mkdir()
    with editor(home) as client:
        client.initialize()
        session = client.request(
            "bbox/run",
            workspaceUri=workspace.as_uri(),
            agent=AGENT,
            args=["say ready", "wait", f"flood {FLOOD_MIB}", "wait"],
            terminal={"cols": 80, "rows": 24},
        )["id"]
        opened = client.request("bbox/terminal/open", session=session)
        view = {"session": session, "terminal": opened["terminal"]}
        ready = client.until("bbox/terminal/data", says_ready)
        first = ready["fromByte"] + len(base64.b64decode(ready["data"]))
        client.request("bbox/terminal/input", **view, data=base64_of(b"\n"))
        latencies, growth = play(client, view, Panel(first))
        client.request("bbox/sessions/stop", session=session, mode="now")
    assert {name: kib for name, kib in growth.items() if kib > GROWTH_KIB} == {}
    assert statistics.quantiles(latencies, n=20)[-1] < P95_S


def says_ready(data: Message) -> bool:
    return base64.b64decode(data["data"]).endswith(b"ready\r\n")


def play(client: Editor, view: Message, panel: Panel) -> tuple[list[float], dict[str, int]]:
    """Show all; returns how long other requests took, and how the processes grew."""
    latencies = list[float]()
    pids = {"bbox-server": client.process.pid, "host": host_of(view["session"]), "us": os.getpid()}
    first, growth = dict[str, int](), dict.fromkeys(pids, 0)
    while panel.shown < FLOOD_MIB << 20:
        client.heard.clear()
        method = ("bbox/changes/list", "bbox/sessions/get")[len(latencies) % 2]
        asked_at = time.monotonic()
        client.request(method, session=view["session"])
        latencies.append(time.monotonic() - asked_at)
        for data in client.params("bbox/terminal/data"):
            panel.show(data)
        client.start("bbox/terminal/ack", {**view, "byte": panel.position})
        if panel.shown > WARM_BYTES:
            now = {name: resident_kib(pid) for name, pid in pids.items()}
            first = first or now
            growth = {name: max(kib, now[name] - first[name]) for name, kib in growth.items()}
    return latencies, growth
