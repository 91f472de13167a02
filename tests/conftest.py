# SPDX-License-Identifier: Apache-2.0
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def sandbox_dir() -> Iterator[Path]:
    """A directory that the sandbox uid can pass through, unlike tmp_path (0700 parents).

    Short as well: a socket's path ends at 108 bytes (unix(7)).
    """
    directory = Path(tempfile.mkdtemp(prefix="bbox-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)
