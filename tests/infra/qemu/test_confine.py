# SPDX-License-Identifier: Apache-2.0
"""The confinement of a share's daemon, on programs that look around in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bbox_server.infra.process.sandbox_user import FALLBACK_ID
from bbox_server.infra.qemu import confine

LOOK = "import os; os.setgroups([]); print(os.getuid(), os.getgid())"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can choose its groups")
def test_a_user_with_other_groups_can_run_a_daemon_that_drops_them(sandbox_dir: Path) -> None:
    os.chown(sandbox_dir, FALLBACK_ID, FALLBACK_ID)
    script = sandbox_dir / "confine.py"
    script.write_bytes(Path(confine.__file__).read_bytes())
    done = subprocess.run(
        [
            "/usr/bin/python3", "-I", "-S", str(script), str(os.getpid()), str(FALLBACK_ID),
            str(FALLBACK_ID), "rw", str(sandbox_dir), "--", "/usr/bin/python3", "-c", LOOK,
        ],
        user=FALLBACK_ID, group=FALLBACK_ID, extra_groups=[FALLBACK_ID, 4242],
        capture_output=True, text=True, check=False, cwd=sandbox_dir,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "1000 1000\n"), done.stderr


def test_the_filter_knows_this_machine() -> None:
    assert os.uname().machine in confine._SETGROUPS, sys.platform
