# SPDX-License-Identifier: Apache-2.0
"""`python3 -m setup.install WHEEL`: bbox and bbox-server for this user, in locked versions."""

import os
import sys
from pathlib import Path

from setup.command import SetupError, run, say
from setup.environment import LOCK, UV, system_python, uv_environment


def main(wheel: str) -> int:
    """A virtual environment of its own, its two commands in a directory of programs."""
    places = _places()
    argv = (UV, "tool", "install", "--quiet", "--force", "--reinstall-package", "bbox-server")
    try:
        run(
            "install bbox",
            (*argv, "--python", system_python(), "--constraints", LOCK, wheel),
            hint="Check the network: the packages of requirements.lock are needed.",
            env=uv_environment() | places,
        )
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    programs = places["UV_TOOL_BIN_DIR"]
    advice = "" if programs in os.environ["PATH"].split(":") else "; add it to PATH"
    say(f"bbox is in {programs}{advice}")
    return 0


def _places() -> dict[str, str]:
    """Root's own home is closed to the uid that the relay runs as, hence /usr/local."""
    if os.geteuid() == 0:
        return {"UV_TOOL_DIR": "/usr/local/lib/bbox", "UV_TOOL_BIN_DIR": "/usr/local/bin"}
    return {"UV_TOOL_BIN_DIR": str(Path.home() / ".local/bin")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
