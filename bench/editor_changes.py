# SPDX-License-Identifier: Apache-2.0
"""From a guest's write to the editor, in a workspace of 10,000 files, in a real microVM.

`python -m bench.editor_changes [ROUNDS]`: the guest writes a file for each line it reads. The time
begins when the file is there for the host, and ends when the editor has the event, and when it has
the list of changes with the file in it.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

from typing_extensions import override

from bench._editor import Session, guest_session, spread

FILES: Final = 10_000
ROUNDS: Final = 40
GOAL_MS: Final = 500
POLL_S: Final = 0.001
SCRIPT: Final = 'stty -echo; echo ready; while read n; do echo "$n" >"new-$n"; done'


def fill(workspace: Path) -> None:
    for number in range(FILES):
        path = workspace / f"d{number % 100}" / f"f{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n")


class Visible(threading.Thread):
    """Sees when a file comes."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self.at = 0.0
        self._path = path

    @override
    def run(self) -> None:
        while not self._path.exists():
            time.sleep(POLL_S)
        self.at = time.monotonic()


def one(session: Session, number: int) -> tuple[float, float]:
    """Seconds to the event, and to the list."""
    client, name = session.client, f"new-{number}"
    client.heard.clear()
    visible = Visible(session.upper / name)
    visible.start()
    session.type(f"{number}\n".encode())
    while True:
        client.until("bbox/event", lambda event: event["kind"] == "changes")
        event_at = time.monotonic()
        listed = client.request("bbox/changes/list", session=session.id)
        listed_at = time.monotonic()
        if name in [change["path"] for change in listed["changes"]]:
            visible.join()
            return event_at - visible.at, listed_at - visible.at
        client.heard.clear()


def main() -> None:
    """Print both latencies."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as directory:
        fill(Path(directory))
        with guest_session(SCRIPT, Path(directory)) as session:
            session.expect(b"ready")
            pairs = [one(session, number) for number in range(rounds)]
    events, lists = (list(column) for column in zip(*pairs, strict=True))
    print(f"visible to the host, to the editor's event  {spread(events)}   (<= {GOAL_MS})")
    print(f"visible to the host, to the editor's list   {spread(lists)}")


if __name__ == "__main__":
    main()
