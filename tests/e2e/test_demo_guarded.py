# SPDX-License-Identifier: Apache-2.0
"""`make demo-guarded`, as the README has it; it checks itself what it shows."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In the order in which they come.
SHOWN = (
    "network: blocked notes.tally.example:80 (host-not-in-profile)",
    "✓ the agent could not reach notes.tally.example: curl: (7)",
    "notes.tally.example:80: allowed for a minute",
    "✓ the agent has what notes.tally.example says",
    "✓ the provider was asked 3 times, each time with the key",
    "✓ the agent finds in its guest: keys in processes: 0; files with keys: 0",
    "MiB: the placeholder is there",
    "✓ the key is not",
    "✓ each request with the key is on record",
    "All of it held",
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_demo_blocks_allows_once_and_hides_the_key(sandbox_dir: Path) -> None:
    env = {**os.environ, "XDG_STATE_HOME": str(sandbox_dir / "state"), "NO_COLOR": "1"}
    done = subprocess.run(
        ["make", "demo-guarded"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    places = [done.stdout.find(text) for text in SHOWN]
    assert -1 not in places, dict(zip(SHOWN, places, strict=True))
    assert places == sorted(places)
    assert "sk-guarded-this" not in done.stdout
    assert list((sandbox_dir / "state/bbox/sessions").iterdir()) == []
