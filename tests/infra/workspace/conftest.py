# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from tests.infra.workspace.ground import Ground


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)
