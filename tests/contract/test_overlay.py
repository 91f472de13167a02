# SPDX-License-Identifier: Apache-2.0
"""What every overlay keeps to."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path, PurePosixPath

import pytest
from typing_extensions import override

from bbox_server.domain.change import ChangeKind, Side, WithheldReason
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.snapshot import Overlay
from bbox_server.domain.workspace import WorkspacePath, digest_of
from tests.fakes.overlay import MemoryOverlay, Node, tree
from tests.infra.workspace.ground import Ground

BASELINE = {"a": b"one\n", "d/b": b"two\n"}


class Agent(ABC):
    """Someone who changes files in the sandbox."""

    overlay: Overlay

    @abstractmethod
    def write(self, name: str, content: bytes) -> None: ...

    @abstractmethod
    def remove(self, name: str) -> None: ...


class MemoryAgent(Agent):
    def __init__(self) -> None:
        files: dict[str, bytes | Node] = dict(BASELINE)
        self.memory = MemoryOverlay(baseline=tree(files), agent=tree(files))
        self.overlay = self.memory

    @override
    def write(self, name: str, content: bytes) -> None:
        self.memory.agent[PurePosixPath(name)] = Node(content=content)

    @override
    def remove(self, name: str) -> None:
        del self.memory.agent[PurePosixPath(name)]


class DiskAgent(Agent):
    def __init__(self, ground: Ground, overlay: Overlay) -> None:
        self.ground = ground
        self.overlay = overlay

    @override
    def write(self, name: str, content: bytes) -> None:
        self.ground.agent(name, content)

    @override
    def remove(self, name: str) -> None:
        self.ground.remove(name)


@pytest.fixture(params=["fake", "disk"])
async def agent(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Agent]:
    if request.param == "fake":
        yield MemoryAgent()
        return
    ground = Ground(tmp_path)
    for name, content in BASELINE.items():
        ground.write(name, content)
    overlay = await ground.overlay()
    yield DiskAgent(ground, overlay)
    overlay.close()


async def kinds(agent: Agent) -> dict[str, ChangeKind]:
    return {str(change.path): change.kind for change in (await agent.overlay.changes()).changes}


async def test_an_untouched_overlay_has_no_changes(agent: Agent) -> None:
    assert await kinds(agent) == {}


async def test_each_kind_of_change_is_listed(agent: Agent) -> None:
    agent.write("a", b"other\n")
    agent.write("new", b"three\n")
    agent.remove("d/b")
    assert await kinds(agent) == {
        "a": ChangeKind.MODIFIED,
        "d/b": ChangeKind.DELETED,
        "new": ChangeKind.ADDED,
    }


async def test_both_sides_of_a_change_are_hashed(agent: Agent) -> None:
    agent.write("a", b"other\n")
    (change,) = (await agent.overlay.changes()).changes
    digests = [entry.digest for entry in (change.baseline, change.agent) if entry]
    assert digests == [digest_of(b"one\n"), digest_of(b"other\n")]


async def test_a_change_that_is_undone_is_none(agent: Agent) -> None:
    agent.write("a", b"other\n")
    agent.write("a", b"one\n")
    assert await kinds(agent) == {}


async def test_another_content_is_another_change(agent: Agent) -> None:
    ids = []
    for content in (b"x\n", b"y\n", b"x\n"):
        agent.write("a", content)
        (change,) = (await agent.overlay.changes()).changes
        ids.append(change.id)
    assert ids[0] == ids[2] != ids[1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".git/config", WithheldReason.GIT_INTERNAL),
        ("sub/.git/hooks/x", WithheldReason.GIT_INTERNAL),
    ],
)
async def test_what_is_withheld_is_listed_apart(
    agent: Agent, name: str, reason: WithheldReason
) -> None:
    agent.write(name, b"x\n")
    agent.write("ordinary", b"x\n")
    changes = await agent.overlay.changes()
    assert [change.withheld for change in changes.withheld] == [reason]
    assert [change.path for change in changes.flushable] == [PurePosixPath("ordinary")]


@pytest.mark.parametrize(("side", "content"), [(Side.BASELINE, b"one\n"), (Side.AGENT, b"other\n")])
async def test_both_sides_can_be_read(agent: Agent, side: Side, content: bytes) -> None:
    agent.write("a", b"other\n")
    assert await agent.overlay.read(side, WorkspacePath("a")) == content


async def test_a_file_that_is_not_there_is_stale(agent: Agent) -> None:
    agent.remove("a")
    with pytest.raises(BboxError) as caught:
        await agent.overlay.read(Side.AGENT, WorkspacePath("a"))
    assert caught.value.code is ErrorCode.REVIEW_STALE
