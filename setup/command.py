# SPDX-License-Identifier: Apache-2.0
"""Commands that may take long: progress on standard error, output kept for the failure."""

import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

LOGS: Final = Path(".cache/setup")
HEARTBEAT_S: Final = 10
_TAIL_LINES: Final = 12


class SetupError(Exception):
    """What went wrong and what to do, ready to be printed."""


def say(text: str) -> None:
    """A line of progress."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def run(
    title: str, argv: Sequence[str | Path], *, hint: str, env: Mapping[str, str] | None = None
) -> None:
    """Run to its end; `hint` is what a user can do when it fails.

    Raises:
        SetupError: with the command, as it can be pasted, and its last lines.
    """
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{Path(argv[0]).name}.log"
    started = time.monotonic()
    say(f"{title} ...")
    try:
        status = _wait(title, argv, log, env, started)
    except OSError as error:
        raise SetupError(f"{title}: {argv[0]}: {error.strerror}\n{hint}") from error
    if status != 0:
        command = shlex.join(map(str, argv))
        raise SetupError(f"{title} failed ({status}): {command}\n{_tail(log)}\n{hint}")
    say(f"{title}: {time.monotonic() - started:.0f} s")


def output(argv: Sequence[str | Path]) -> str:
    """Standard output of a short command; empty when it fails."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _wait(
    title: str,
    argv: Sequence[str | Path],
    log: Path,
    env: Mapping[str, str] | None,
    started: float,
) -> int:
    with (
        log.open("wb") as sink,
        subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=env
        ) as child,
    ):
        while True:
            try:
                return child.wait(timeout=HEARTBEAT_S)
            except subprocess.TimeoutExpired:
                say(f"{title} ... {time.monotonic() - started:.0f} s")


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-_TAIL_LINES:])
