# SPDX-License-Identifier: Apache-2.0
"""`python3 -m setup.lock [--upgrade]`: the two locks (docs/adr/0001-lock-format.md)."""

import sys
from typing import Final

from setup.command import SetupError, run
from setup.environment import LOCK, UV, UV_LOCK, uv_environment

# Neither header nor annotation nor index: the locks name no host and no path of a machine.
_COMPILE: Final = (UV, "pip", "compile", "--quiet", "--universal", "--generate-hashes")
_PLAIN: Final = ("--no-header", "--no-annotate", "--python-version", "3.11")
# A release that is bad or hostile is usually withdrawn within days.
_AGED: Final = ("--upgrade", "--exclude-newer", "7 days")


def main(argv: list[str]) -> int:
    """Write both locks; without --upgrade a version stays while pyproject.toml admits it."""
    aged = _AGED if argv == ["--upgrade"] else ()
    sources = {
        LOCK: ("pyproject.toml", "--group", "dev"),
        UV_LOCK: ("setup/requirements.in",),
    }
    try:
        for lock, source in sources.items():
            run(
                f"lock {lock}",
                (*_COMPILE, *_PLAIN, *aged, "--output-file", lock, *source),
                hint="Check the network, and which versions pyproject.toml asks for.",
                env=uv_environment(),
            )
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
