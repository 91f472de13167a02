# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest_asyncio

from tests.infra.git.agent_ground import AgentGround


@pytest_asyncio.fixture
async def ground(tmp_path: Path) -> AgentGround:
    """A repository with one commit on `main`, of which the agent has a snapshot."""
    ground = AgentGround(tmp_path)
    ground.repository()
    ground.write("a", "one\n")
    ground.write("dir/b", "two\n")
    ground.commit()
    await ground.start()
    return ground
