# SPDX-License-Identifier: Apache-2.0
"""The library's surface, and what of it needs no session."""

import os
from pathlib import Path

import pytest

from bbox_server import sdk
from bbox_server.sdk import Bbox, BboxError, ErrorCode

KEPT = {
    *("AgentMessage", "Bbox", "BboxError", "ChangeMessage", "DecisionMessage", "DoctorMessage"),
    *("ErrorCode", "EventMessage", "FlushMessage", "HunkMessage", "PlanMessage", "RunOptions"),
    *("ServiceMessage", "Session", "SessionMessage", "Verdict"),
}


@pytest.fixture
def bbox(tmp_path: Path) -> Bbox:
    places = ("config_home", "state_home", "cache_home", "runtime_dir")
    xdg = {f"XDG_{name.upper()}": str(tmp_path / name) for name in places}
    return Bbox({"PATH": os.environ["PATH"], "HOME": str(tmp_path), **xdg})


def test_no_name_is_taken_away() -> None:
    assert set(sdk.__all__) >= KEPT
    assert [name for name in sdk.__all__ if not hasattr(sdk, name)] == []


@pytest.mark.asyncio
async def test_agents_say_what_they_lack(bbox: Bbox) -> None:
    agents = {agent.name: agent for agent in await bbox.agents()}
    assert {"claude-code", "codex", "gemini", "hermes", "opencode"} <= agents.keys()
    assert not agents["codex"].available
    assert agents["codex"].missing


@pytest.mark.asyncio
async def test_there_are_no_sessions_at_first(bbox: Bbox, tmp_path: Path) -> None:
    assert await bbox.sessions() == ()
    assert await bbox.sessions(tmp_path) == ()


@pytest.mark.asyncio
async def test_a_session_that_is_not_there_is_told(bbox: Bbox) -> None:
    with pytest.raises(BboxError) as raised:
        async with bbox.session("00000000"):
            pass
    assert raised.value.code is ErrorCode.SESSION_UNKNOWN
