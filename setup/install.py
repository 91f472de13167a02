# SPDX-License-Identifier: Apache-2.0
"""`python3 -m setup.install`: bbox and bbox-server for this user, with the locked versions."""

import os
import shutil
import sys
from pathlib import Path

from setup.command import SetupError, run, say
from setup.environment import LOCK, UV, system_python, uv_environment


def main() -> int:
    """A virtual environment of its own, its two commands on PATH."""
    env = uv_environment() | _places()
    argv = (UV, "tool", "install", "--quiet", "--force", "--reinstall-package", "bbox-server")
    try:
        run(
            "install bbox",
            (*argv, "--python", system_python(), "--constraints", LOCK, "."),
            hint="Check the network: the packages of requirements.lock are needed.",
            env=env,
        )
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    say(f"run: {shutil.which('bbox') or 'bbox (its directory is not on PATH; see above)'}")
    return 0


def _places() -> dict[str, str]:
    """Root's own home is closed to the uid that the relay runs as, hence /usr/local."""
    if os.geteuid() != 0:
        home = Path.home()
        return {"UV_TOOL_BIN_DIR": str(home / ".local/bin")}
    return {"UV_TOOL_DIR": "/usr/local/lib/bbox", "UV_TOOL_BIN_DIR": "/usr/local/bin"}


if __name__ == "__main__":
    sys.exit(main())
