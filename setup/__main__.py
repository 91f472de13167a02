# SPDX-License-Identifier: Apache-2.0
"""`python3 -m setup`, run in the project's root."""

import fcntl
import os
import sys

from setup.command import LOGS, SetupError
from setup.environment import install_environment, system_python
from setup.packages import install_packages


def main() -> int:
    """All steps; each is silent when there is nothing to do."""
    LOGS.mkdir(parents=True, exist_ok=True)
    with (LOGS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once in one tree
        try:
            install_packages(euid=os.geteuid())
            install_environment(python=system_python())
        except SetupError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
