# SPDX-License-Identifier: Apache-2.0
"""The processes of a session, from the outside."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

KINDS: Final = {
    "qemu": b"qemu-system",
    "virtiofsd": b"virtiofsd",
    "relay": b"infra.egress.relay",
    "proxy": b"infra.credential",
    "host": b"session_host()",
}
"""What a daemon's command line has, and nobody else's of a session."""


def descendants(pid: int) -> dict[int, bytes]:
    """All processes below one, with their command lines."""
    parents: dict[int, list[int]] = {}
    for other in _pids():
        parents.setdefault(_parent(other), []).append(other)
    found: dict[int, bytes] = {}
    pending = [pid]
    while pending:
        for child in parents.get(pending.pop(), []):
            found[child] = command_line(child)
            pending.append(child)
    return found


def host_of(session: str) -> int:
    """The pid of a session's host. Raises: LookupError."""
    for pid in _pids():
        words = command_line(pid)
        if session.encode() in words.split(b"\0") and KINDS["host"] in words:
            return pid
    raise LookupError(session)


def of_session(session: str) -> dict[int, bytes]:
    """The session's host and all that it has started, with their command lines."""
    host = host_of(session)
    return {host: command_line(host), **descendants(host)}


def of_kind(processes: Mapping[int, bytes], kind: str) -> list[int]:
    """The pids of one daemon, the first started first."""
    return sorted(pid for pid, words in processes.items() if KINDS[kind] in words)


def command_line(pid: int) -> bytes:
    """Words separated by NUL; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def still_there(processes: Mapping[int, bytes]) -> dict[int, bytes]:
    """Those that run still; a number that another program got since is not one of them."""
    return {pid: words for pid, words in processes.items() if words and command_line(pid) == words}


def running_in(directory: Path) -> list[bytes]:
    """Command lines of all processes that name a directory or have a file of it open."""
    needle = os.fsencode(directory)
    return [
        command_line(pid)
        for pid in _pids()
        if pid != os.getpid() and (needle in command_line(pid) or _has_open(pid, str(directory)))
    ]


def mounts_of(directory: Path) -> list[str]:
    """Mounts of this namespace at or from a directory."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(directory) in line]


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Wait for a condition of another process."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"within {timeout_s} s not {what}"
        time.sleep(0.05)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _has_open(pid: int, directory: str) -> bool:
    try:
        links = [path.readlink() for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(str(link).startswith(directory) for link in links)
