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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Booted guests run one after the other, in one worker, where they can be shared."""
    for item in items:
        if item.get_closest_marker("vm") or item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.xdist_group("vm"))
