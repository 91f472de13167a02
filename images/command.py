# SPDX-License-Identifier: Apache-2.0
"""Programs of the build, started in one way: quiet when they work, whole when they fail."""

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from images.pins import BuildError


def call(*argv: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """Run a program to its end; returns its standard output. Raises: BuildError."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(f"{words[0]} is not installed; `make setup` installs it.") from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-4000:]
        raise BuildError(f"{shlex.join(words)}\nended with {done.returncode}:\n{said}")
    return done.stdout
