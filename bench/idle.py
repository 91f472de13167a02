# SPDX-License-Identifier: Apache-2.0
"""What an idle session costs beyond what its guest touched: memory of its processes, and disk.

`python -m bench.idle`: `bbox run -- sleep`, ten seconds after the guest is up.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.vm.session_processes import of_session

IMAGE: Final = "ghcr.io/stacklok/brood-box/base:latest"
SETTLE_S: Final = 10
START_LIMIT_S: Final = 60
GOAL_MIB: Final = 200
# The guest's memory is this file of QEMU's; the rest of QEMU is what it costs.
GUEST_MEMORY: Final = re.compile(r"memfd:memory-backend-memfd")


def memory_kib(pid: int) -> tuple[int, int]:
    """PSS of a process, and how much of it is the guest's memory."""
    total = guest = 0
    is_guest = False
    for line in Path("/proc", str(pid), "smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_guest = bool(GUEST_MEMORY.search(line))
        elif line.startswith("Pss:"):
            size = int(line.split()[1])
            total += size
            guest += size if is_guest else 0
    return total, guest


def disk_kib(directory: Path) -> int:
    """Blocks of all files below a directory, and of the scratch disk, which has no name."""
    files = [path for path in directory.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.lstat().st_blocks for path in files) // 2


def running(root: Path) -> str:
    """The session, once it says that its agent runs."""
    for path in root.glob("state/bbox/sessions/*/events.jsonl"):
        if '"running"' in path.read_text():
            return path.parent.name
    return ""


def main() -> None:
    """Print the table."""
    bbox = Path(sys.executable).with_name("bbox")
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as scratch:
        root = Path(scratch)
        root.chmod(0o711)
        workspace = root / "workspace"
        workspace.mkdir()
        env = {
            **os.environ,
            "XDG_STATE_HOME": str(root / "state"),
            "XDG_RUNTIME_DIR": str(root / "run"),
        }
        words = ["run", "--image", IMAGE, "--memory", "1g", "--", "sleep", "600"]
        with subprocess.Popen(
            [bbox, *words],
            cwd=workspace,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            deadline = time.monotonic() + START_LIMIT_S
            while not running(root) and time.monotonic() < deadline:
                time.sleep(0.2)
            time.sleep(SETTLE_S)
            # The client waits, the session's host and its children do the work.
            report((process.pid, *of_session(running(root))), root)
            process.terminate()


def report(processes: Iterable[int], root: Path) -> None:
    """One line a process, then the sums."""
    whole = touched = 0
    for child in processes:
        total, guest = memory_kib(child)
        name = Path("/proc", str(child), "comm").read_text().strip()
        print(f"  {name:<18} {(total - guest) / 1024:8.1f} MiB")
        whole += total
        touched += guest
    print(f"all processes      {whole / 1024:8.1f} MiB")
    print(f"the guest touched  {touched / 1024:8.1f} MiB")
    print(f"beyond that        {(whole - touched) / 1024:8.1f} MiB   (<= {GOAL_MIB})")
    print(f"disk of a session  {disk_kib(root / 'state') / 1024:8.1f} MiB")


if __name__ == "__main__":
    main()
