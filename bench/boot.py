# SPDX-License-Identifier: Apache-2.0
"""`bbox run -- true` to its exit, beside a bare boot of the same kernel in the same run.

`python -m bench.boot [ROUNDS]`: the bare boot has an initramfs with busybox alone, which prints
one line and powers off; kernel, memory and CPUs are those of the run. Medians of rounds that take
turns.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from bbox_server.infra.guest_system.built import find_built_guest
from bbox_server.infra.host.directories import resolve_directories
from bbox_server.infra.qemu.clock import measure_tsc_khz
from guest.cpio import Archive

ROUNDS: Final = 5
MEMORY_MIB: Final = 1024
IMAGE: Final = "ghcr.io/stacklok/brood-box/base:latest"
BUSYBOX: Final = Path("/bin/busybox")
GOAL: Final = 2.2
INIT: Final = b"#!/bin/busybox sh\n/bin/busybox echo BARE\n/bin/busybox poweroff -f\n"


def bare_initramfs(path: Path) -> None:
    """The least that is userspace."""
    archive = Archive()
    archive.file("init", INIT, 0o755)
    archive.file("bin/busybox", BUSYBOX.read_bytes(), 0o755)
    archive.directory("dev")
    archive.character_device("dev/console", 0o600, 5, 1)
    path.write_bytes(archive.finish())


def bare_boot(kernel: Path, initramfs: Path, tsc_khz: int) -> float:
    """Seconds from QEMU's start to its end."""
    words = f"console=ttyS0 quiet loglevel=3 panic=-1 tsc_early_khz={tsc_khz} tsc=reliable"
    started = time.monotonic()
    done = subprocess.run(
        [
            "qemu-system-x86_64", "-M", "microvm,rtc=on,graphics=off", "-accel", "tcg,tb-size=256",
            "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MIB), "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-kernel", str(kernel), "-initrd", str(initramfs),
            "-append", words, "-serial", "stdio",
        ],
        capture_output=True, stdin=subprocess.DEVNULL, check=True, timeout=60,
    )  # fmt: skip
    if b"BARE" not in done.stdout:
        raise SystemExit(f"the bare guest did not start:\n{done.stdout.decode()[-500:]}")
    return time.monotonic() - started


def whole_run(workspace: Path, env: dict[str, str]) -> tuple[float, str]:
    """Seconds of `bbox run -- true`, and its table of phases."""
    bbox = Path(sys.executable).with_name("bbox")
    words = ["run", "--image", IMAGE, "--memory", f"{MEMORY_MIB}m", "--cpus", "1", "--timings"]
    started = time.monotonic()
    done = subprocess.run(
        [bbox, *words, "--", "true"],
        cwd=workspace, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    took = time.monotonic() - started
    return took, done.stderr.partition("Timing summary:\n")[2].rstrip()


def main() -> None:
    """Print both medians and their ratio."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    cache = resolve_directories(os.environ, uid=os.geteuid()).cache
    kernel = find_built_guest(cache / "guest") / "vmlinux"
    tsc_khz = measure_tsc_khz()
    bare, whole, phases = [], [], ""
    with tempfile.TemporaryDirectory(prefix="bbox-bench-") as scratch:
        root = Path(scratch)
        root.chmod(0o711)
        initramfs, workspace = root / "initramfs", root / "workspace"
        bare_initramfs(initramfs)
        workspace.mkdir()
        env = {**os.environ, "XDG_STATE_HOME": str(root), "XDG_RUNTIME_DIR": str(root / "run")}
        whole_run(workspace, env)  # the accelerator's verdict is cached from here on
        for _ in range(rounds):
            bare.append(bare_boot(kernel, initramfs, tsc_khz))
            took, phases = whole_run(workspace, env)
            whole.append(took)
    ratio = statistics.median(whole) / statistics.median(bare)
    print(f"bare boot, to its power-off        {statistics.median(bare):8.3f} s")
    print(f"bbox run -- true, to its exit      {statistics.median(whole):8.3f} s")
    print(f"ratio                              {ratio:8.2f}   (<= {GOAL})")
    print("the last run:", phases, sep="\n")


if __name__ == "__main__":
    main()
