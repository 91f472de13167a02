# SPDX-License-Identifier: Apache-2.0
"""bbox as somebody who is not root, with several groups, as ordinary users have."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bbox_server.infra.host.directories import resolve_directories
from tests.vm.bbox_command import BBOX, CODEX_IMAGE, RUN_TIMEOUT_S

pytestmark = [
    pytest.mark.vm,
    pytest.mark.timeout(200),
    pytest.mark.skipif(os.geteuid() != 0, reason="everything else runs as an ordinary user then"),
]

USER = 64997
PLACES = {"state": "XDG_STATE_HOME", "cache": "XDG_CACHE_HOME", "run": "XDG_RUNTIME_DIR"}


@pytest.fixture
def home(sandbox_dir: Path) -> Path:
    """A home with images and a guest system of its own, linked to the machine's."""
    cache = resolve_directories(os.environ, uid=0).cache
    for name in ("state", "run", "cache/bbox", "work"):
        (sandbox_dir / name).mkdir(parents=True)
    for name in ("images", "guest"):
        target = sandbox_dir / "cache/bbox" / name
        shutil.copytree(cache / name, target, copy_function=os.link, symlinks=True)
    for directory, _, _ in os.walk(sandbox_dir):
        os.chown(directory, USER, USER)
    return sandbox_dir


def test_a_user_with_several_groups_runs_reviews_and_flushes(home: Path) -> None:
    def bbox(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [BBOX, *words],
            user=USER,
            group=USER,
            extra_groups=[USER, 4242],
            cwd=home / "work",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                **{variable: str(home / name) for name, variable in PLACES.items()},
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    if not os.access(sys.executable, os.X_OK) or bbox("--version").returncode != 0:
        pytest.skip("this tree is in a directory that other users can't enter")
    ran = bbox("run", "--image", CODEX_IMAGE, "--", "sh", "-c", "id -u; echo agent > made.txt")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "1000"
    flushed = bbox("review", "--accept-all", "--flush")
    assert flushed.returncode == 0, flushed.stderr
    made = home / "work/made.txt"
    assert made.read_text() == "agent\n"
    assert made.stat().st_uid == USER
