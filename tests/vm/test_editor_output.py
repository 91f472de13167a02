# SPDX-License-Identifier: Apache-2.0
"""`cat` of a large file in a real guest, into an editor: every byte, and little memory.

tests/lsp/test_flood.py has more of it, from a stand-in that is faster than an emulated guest.
"""

import base64
import hashlib
from pathlib import Path
from typing import Final

import pytest

from tests.lsp.editor import MACHINE_CACHE, SERVER, Editor, Message, base64_of, editor, host_of
from tests.lsp.raw_client import INITIALIZE, resident_kib

pytestmark = [pytest.mark.vm, pytest.mark.timeout(400)]

IMAGE: Final = "ghcr.io/stacklok/brood-box/base:latest"
SIZE_BYTES: Final = 12 << 20
WARM_BYTES: Final = 4 << 20
GROWTH_KIB: Final = 32 << 10
READY: Final = b"ready"
SCRIPT: Final = f"stty raw -echo; printf {READY.decode()}; head -c 1 >/dev/null; cat big; sleep 300"


def test_all_of_a_large_file_comes_and_nothing_grows(sandbox_dir: Path) -> None:
    workspace = sandbox_dir / "workspace"
    workspace.mkdir()
    lines = b"".join(b"%062d\r\n" % number for number in range(SIZE_BYTES // 64))
    (workspace / "big").write_bytes(lines)
    with editor(sandbox_dir, *SERVER, env=MACHINE_CACHE) as client:
        client.ask("initialize", INITIALIZE)
        session = client.request(
            "bbox/run",
            workspaceUri=workspace.as_uri(),
            image=IMAGE,
            args=["sh", "-c", SCRIPT],
            terminal={"cols": 80, "rows": 24},
        )["id"]
        opened = client.request("bbox/terminal/open", session=session)
        view = {"session": session, "terminal": opened["terminal"]}
        ready = client.until("bbox/terminal/data", is_ready)
        first = ready["fromByte"] + len(base64.b64decode(ready["data"]))
        client.request("bbox/terminal/input", **view, data=base64_of(b"x"))
        shown, growth = show(client, view, first)
        client.request("bbox/sessions/stop", session=session, mode="now")
    assert shown == hashlib.sha256(lines).hexdigest()
    assert {name: kib for name, kib in growth.items() if kib > GROWTH_KIB} == {}


def is_ready(data: Message) -> bool:
    return base64.b64decode(data["data"]).endswith(READY)


def show(client: Editor, view: Message, position: int) -> tuple[str, dict[str, int]]:
    """The digest of what came, and by how much server and host grew meanwhile."""
    shown, taken = hashlib.sha256(), 0
    pids = {"bbox-server": client.process.pid, "host": host_of(view["session"])}
    first, growth = dict[str, int](), dict.fromkeys(pids, 0)
    while taken < SIZE_BYTES:
        client.heard.clear()
        client.request("bbox/sessions/get", session=view["session"])
        for data in client.params("bbox/terminal/data"):
            assert data["fromByte"] == position + taken
            content = base64.b64decode(data["data"])
            shown.update(content)
            taken += len(content)
        client.start("bbox/terminal/ack", {**view, "byte": position + taken})
        if taken > WARM_BYTES:
            now = {name: resident_kib(pid) for name, pid in pids.items()}
            first = first or now
            growth = {name: max(kib, now[name] - first[name]) for name, kib in growth.items()}
    return shown.hexdigest(), growth
