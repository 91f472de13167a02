# SPDX-License-Identifier: Apache-2.0
"""`make demo`, as the README has it."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_demo_applies_what_was_accepted_and_nothing_else(sandbox_dir: Path) -> None:
    env = {**os.environ, "XDG_STATE_HOME": str(sandbox_dir / "state"), "NO_COLOR": "1"}
    done = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found = re.search(r"The project is in (\S+)", done.stdout)
    assert found is not None
    project = Path(found[1])
    assert "Decimal(plain)" in (project / "src/tally/money.py").read_text()
    assert not (project / "src/tally/legacy_import.py").exists()
    assert (project / "scripts/report.sh").stat().st_mode & 0o111
    assert not (project / ".vscode").exists()  # rejected: the editor would run it
    assert not (project / "dist").exists()  # withheld: excluded
    assert (project / ".env").read_text() == "DATABASE_PASSWORD=only-for-the-host\n"
