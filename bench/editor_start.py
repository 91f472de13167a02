# SPDX-License-Identifier: Apache-2.0
"""From the start of bbox-server to its answer of `initialize`, beside a bare import of pygls.

`python -m bench.editor_start [ROUNDS]`: both in turn, medians. The bare process imports what any
language server on pygls has to import, and ends.
"""

import statistics
import subprocess
import sys
import time
from typing import Final

from bench._editor import SERVER
from tests.lsp.raw_client import INITIALIZE, raw_client

ROUNDS: Final = 15
GOAL: Final = 1.5


def bare_import() -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", "import pygls.lsp.server"], check=True)
    return time.monotonic() - started


def first_answer() -> float:
    started = time.monotonic()
    with raw_client(SERVER, "--stdio") as client:
        client.ask("initialize", INITIALIZE)
        return time.monotonic() - started


def main() -> None:
    """Print both medians and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    pairs = [(bare_import(), first_answer()) for _ in range(rounds)]
    bare, answer = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import pygls.lsp.server            {bare * 1000:8.0f} ms")
    print(f"spawn to the answer of initialize  {answer * 1000:8.0f} ms")
    print(f"ratio                              {answer / bare:8.2f}   (<= {GOAL})")


if __name__ == "__main__":
    main()
