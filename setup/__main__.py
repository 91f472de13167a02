# SPDX-License-Identifier: Apache-2.0
"""`python3 -m setup [extension|editor]` in the project's root; each includes the one before."""

import fcntl
import os
import sys

from setup.command import LOGS, SetupError
from setup.environment import install_environment, system_python
from setup.node import install_editor, install_extension_tools
from setup.packages import EDITOR_PACKAGES, PACKAGES, install_packages


def main(part: str) -> int:
    """All steps up to a part; each is silent when there is nothing to do."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once in one tree
        try:
            more = EDITOR_PACKAGES if part == "editor" else ()
            install_packages((*PACKAGES, *more), euid=os.geteuid())
            install_environment(python=system_python())
            if part in {"extension", "editor"}:
                install_extension_tools()
            if part == "editor":
                install_editor()
        except SetupError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
