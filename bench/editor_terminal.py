# SPDX-License-Identifier: Apache-2.0
"""The terminal on its way to the editor: echo of a keystroke, and megabytes a second.

`python -m bench.editor_terminal [KEYS]`. With a stand-in for the guest it is our own way alone,
from the session's host through the server to the editor; with a microVM it is the whole way.
"""

import sys
import time
from typing import Final

from bench._editor import Session, guest_session, megabytes_per_second, spread, stand_in_session

KEYS: Final = 100
FLOOD_MIB: Final = 64
GUEST_MIB: Final = 16
RING_ROUNDS: Final = 8
GOAL_MB_S: Final = 10
RING: Final = 4 << 20
ECHO: Final = "stty raw -echo; echo ready; exec cat"
OUTPUT: Final = f"stty raw -echo; echo ready; read go; head -c {GUEST_MIB}M /dev/zero | tr '\\0' x"


def echoes(session: Session, keys: int) -> list[float]:
    found = []
    for _ in range(keys):
        started = time.monotonic()
        session.type(b"k")
        session.expect(b"k")
        found.append(time.monotonic() - started)
    return found


def take(session: Session, count: int) -> str:
    """How fast so many bytes come."""
    started, taken = time.monotonic(), 0
    while taken < count:
        taken += len(session.output())
    return megabytes_per_second(taken, started)


def replay(session: Session) -> str:
    """How fast what is kept on disk comes, for an editor that opens the terminal again."""
    started, taken = time.monotonic(), 0
    for _ in range(RING_ROUNDS):
        session.client.request("bbox/terminal/close", **session.view)
        session.client.heard.clear()
        opened = session.client.request("bbox/terminal/open", session=session.id)
        session.view["terminal"] = opened["terminal"]
        session.position = opened["fromByte"]
        while session.position < opened["endByte"]:
            taken += len(session.output())
    return megabytes_per_second(taken, started)


def main() -> None:
    """Print the table."""
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else KEYS
    with stand_in_session("say ready", "wait", f"flood {FLOOD_MIB}", "wait") as session:
        session.expect(b"ready")
        session.type(b"\n")
        print(f"host to editor             {take(session, FLOOD_MIB << 20)}   (>= {GOAL_MB_S})")
        print(f"host's ring to editor      {replay(session)}   (>= {GOAL_MB_S})")
    with stand_in_session("say ready", "echo") as session:
        session.expect(b"ready")
        print(f"echo, our way alone        {spread(echoes(session, keys))}")
    with guest_session(OUTPUT) as session:
        session.expect(b"ready")
        session.type(b"\n")
        print(f"microVM to editor          {take(session, GUEST_MIB << 20)}")
    with guest_session(ECHO) as session:
        session.expect(b"ready")
        print(f"echo, from the microVM     {spread(echoes(session, keys))}")


if __name__ == "__main__":
    main()
