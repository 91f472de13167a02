# SPDX-License-Identifier: Apache-2.0
"""The bbox command as a user runs it: on a terminal, or from a script."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.lsp.editor import wait_for_hosts

BBOX: Final = str(Path(sys.executable).with_name("bbox"))
CODEX_IMAGE: Final = "ghcr.io/stacklok/brood-box/codex:latest"
RUN_TIMEOUT_S: Final = 150
# What a terminal adds for colours and cursor movements; the tests read the words.
ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")


class Terminal:
    """A pseudoterminal with a bbox on it. All that it printed is in `screen`."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self._master = master
        self._raw = b""
        self._seen = 0

    @property
    def raw(self) -> bytes:
        """All output so far, as it came."""
        return self._raw

    @property
    def screen(self) -> str:
        """All output so far, without escape sequences."""
        return ESCAPES.sub("", self._raw.decode(errors="replace"))

    def expect(self, pattern: str, timeout_s: float = 60) -> str:
        """Wait for a pattern after the last one; returns what it matched."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = re.compile(pattern).search(self.screen, self._seen)
            if found:
                self._seen = found.end()
                return found[0]
            left = deadline - time.monotonic()
            assert left > 0, (
                f"{pattern!r} did not come within {timeout_s} s:\n{self.screen[-3000:]}"
            )
            assert self._read(left), f"bbox ended before {pattern!r}:\n{self.screen[-3000:]}"

    def shows(self, pattern: str, timeout_s: float) -> bool:
        """Whether a pattern comes in time."""
        try:
            self.expect(pattern, timeout_s)
        except AssertionError:
            return False
        return True

    def send(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def resize(self, *, rows: int, columns: int) -> None:
        """Drag the window's corner."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def settings(self) -> list[Any]:
        """The terminal's modes (termios)."""
        return termios.tcgetattr(self._master)

    def hang_up(self) -> None:
        """Close the window: the kernel sends SIGHUP, and the terminal is no more."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def wait(self, timeout_s: float = 60) -> int:
        """Read to the end; returns the exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, self.screen[-3000:]
        return self.process.wait(timeout=max(1.0, deadline - time.monotonic()))

    def _read(self, timeout_s: float) -> bool:
        """Whether there may be more."""
        if not select.select([self._master], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:
            return False
        self._raw += data
        return bool(data)


@dataclass(frozen=True, kw_only=True)
class Bbox:
    """One user's bbox: its own sessions, the machine's images and guest system.

    Attributes:
        prefix: A program that runs it, such as one that enters namespaces.
    """

    home: Path
    env: Mapping[str, str]
    prefix: tuple[str, ...] = ()

    def run(self, *words: str, cwd: Path, timeout_s: float = RUN_TIMEOUT_S) -> "Finished":
        """Run without a terminal and without input."""
        done = subprocess.run(
            [*self.prefix, BBOX, *words],
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Finished(
            code=done.returncode,
            out=done.stdout.decode(errors="replace"),
            error=done.stderr.decode(errors="replace"),
        )

    def start(self, *words: str, cwd: Path) -> "subprocess.Popen[bytes]":
        """Start without a terminal; the caller ends it."""
        return self._start(words, cwd, subprocess.STDOUT)

    def start_apart(self, *words: str, cwd: Path) -> "subprocess.Popen[bytes]":
        """The same, with a pipe of its own for the errors."""
        return self._start(words, cwd, subprocess.PIPE)

    def _start(self, words: tuple[str, ...], cwd: Path, errors: int) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*self.prefix, BBOX, *words],
            cwd=cwd,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )

    @contextmanager
    def terminal(self, *words: str, cwd: Path) -> Iterator[Terminal]:
        """Run on a terminal of 30 rows and 100 columns."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = subprocess.Popen(
            # as its controlling terminal: the kernel tells a new size to who has it
            ["setsid", "--ctty", BBOX, *words],
            cwd=cwd,
            env={**self.env, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        terminal = Terminal(process, master)
        try:
            yield terminal
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)
            terminal.hang_up()

    def sessions(self, cwd: Path) -> list[dict[str, Any]]:
        """All sessions, newest first."""
        found: list[dict[str, Any]] = json.loads(
            self.run("sessions", "--all", "--json", cwd=cwd).out
        )["sessions"]
        return found

    def session_directory(self, session: str) -> Path:
        """Where a session's files are."""
        return self.home / "state/bbox/sessions" / session


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A bbox that has ended."""

    code: int
    out: str
    error: str


def make_bbox(home: Path, env: Mapping[str, str]) -> Bbox:
    """A bbox with its own state; images and the guest come from the machine's cache."""
    own = {
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_CONFIG_HOME": str(home / "config"),
    }
    return Bbox(home=home, env={**os.environ, **own, "NO_COLOR": "1", **env})


@contextmanager
def own_bbox(env: Mapping[str, str] | None = None) -> Iterator[Bbox]:
    """A bbox for the time of a `with`, for fixtures that live longer than `sandbox_dir`."""
    home = Path(tempfile.mkdtemp(prefix="bbox-"))
    home.chmod(0o711)
    try:
        yield make_bbox(home, env or {})
    finally:
        wait_for_hosts(home)
        shutil.rmtree(home)


def make_repository(directory: Path) -> None:
    """Make a directory a git repository with one commit of all that is in it."""
    identity = ("-c", "user.name=User", "-c", "user.email=user@example.invalid")
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "Start"]):
        subprocess.run(["git", *identity, *words], cwd=directory, check=True)
