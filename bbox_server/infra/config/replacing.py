# SPDX-License-Identifier: Apache-2.0
"""Writing the user's config: as a whole, or not at all."""

import os
import tempfile
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o700


def replace_config(path: Path, text: str) -> None:
    """Put a text in a file's place; its owner's alone, whatever it was before.

    Raises: OSError.
    """
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    # mkstemp's mode is 0600; the rename makes that the file's mode also where it was not.
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=".config-")
    with os.fdopen(fd, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
