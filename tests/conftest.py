# SPDX-License-Identifier: Apache-2.0
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Emulated guests beside it make any machine slow; how long an example takes is no finding.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
def sandbox_dir() -> Iterator[Path]:
    """A directory that the sandbox uid can pass through, unlike tmp_path (0700 parents).

    Short as well: a socket's path ends at 108 bytes (unix(7)).
    """
    directory = Path(tempfile.mkdtemp(prefix="bbox-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)
