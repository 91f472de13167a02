# SPDX-License-Identifier: Apache-2.0
"""What an installed directory was made of: set-up does nothing where that is what is wanted."""

import hashlib
import json
from pathlib import Path
from typing import Final

_NAME: Final = "bbox-setup.json"


def digest(*paths: Path) -> str:
    """Of the contents of files."""
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


def read_stamp(directory: Path) -> dict[str, str]:
    """The stamp of a directory; empty where there is none."""
    try:
        found: dict[str, str] = json.loads((directory / _NAME).read_text())
    except (OSError, ValueError):
        return {}
    return found


def write_stamp(directory: Path, stamp: dict[str, str]) -> None:
    """Say that a directory is complete."""
    (directory / _NAME).write_text(json.dumps(stamp))
