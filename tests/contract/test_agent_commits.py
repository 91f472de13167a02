# SPDX-License-Identifier: Apache-2.0
"""The port of the agent's commits: the fake and git keep the same promises."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest
from typing_extensions import override

from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.commit import CommitId
from bbox_server.domain.flush import FlushId
from tests.fakes.agent_commits import MemoryCommits
from tests.infra.git.agent_ground import AgentGround
from tests.infra.workspace.ground import git

FIRST, SECOND = FlushId(1), FlushId(2)
REF = "refs/bbox/3f9a1c07/main"


class Repository(Protocol):
    """A user's repository with `main`, and an agent that works in it."""

    commits: AgentCommits

    def commit(self, subject: str) -> CommitId:
        """Let the agent commit."""
        ...

    def refs(self) -> dict[str, str]:
        """The user's refs now."""
        ...

    def move(self, ref: str, to: str) -> None:
        """Let the user move one."""
        ...


class InMemory(Repository):
    def __init__(self) -> None:
        self._memory = MemoryCommits(refs={"refs/heads/main": CommitId("0" * 40)})
        self.commits = self._memory

    @override
    def commit(self, subject: str) -> CommitId:
        return self._memory.commit("main", subject)

    @override
    def refs(self) -> dict[str, str]:
        return dict(self._memory.refs)

    @override
    def move(self, ref: str, to: str) -> None:
        self._memory.refs[ref] = CommitId(to)


class OnDisk(Repository):
    def __init__(self, ground: AgentGround) -> None:
        self._ground = ground
        self.commits = ground.commits()

    @override
    def commit(self, subject: str) -> CommitId:
        self._ground.edit("a", subject)
        tip = self._ground.commits_all(subject)
        self._ground.publish()
        return CommitId(tip)

    @override
    def refs(self) -> dict[str, str]:
        listed = git(self._ground.workspace, "for-each-ref", "--format=%(refname) %(objectname)")
        return dict(line.split() for line in listed.splitlines())

    @override
    def move(self, ref: str, to: str) -> None:
        git(self._ground.workspace, "update-ref", ref, to)


async def on_disk(directory: Path) -> Repository:
    ground = AgentGround(directory)
    ground.repository()
    ground.write("a", "one\n")
    ground.commit()
    await ground.start()
    return OnDisk(ground)


async def in_memory(_directory: Path) -> Repository:
    return InMemory()


Make = Callable[[Path], Awaitable[Repository]]
BOTH = pytest.mark.parametrize("make", [in_memory, on_disk])


@BOTH
async def test_there_is_nothing_before_the_agent_commits(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    assert await repository.commits.branches() == ()


@BOTH
async def test_what_is_taken_is_taken_once(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    tip = repository.commit("Agent")
    (branch,) = await repository.commits.branches()
    assert (branch.tip, branch.commits[0].subject, branch.is_pending) == (tip, "Agent", True)
    (update,) = await repository.commits.take([branch], FIRST)
    assert (update.ref, update.before, update.after, update.branch) == (REF, None, tip, "main")
    (taken,) = await repository.commits.branches()
    assert taken.taken
    assert await repository.commits.take([taken], SECOND) == ()


@BOTH
async def test_what_is_given_back_is_as_before(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    before = repository.refs()
    repository.commit("Agent")
    await repository.commits.take(await repository.commits.branches(), FIRST)
    (moved,) = await repository.commits.forward(FIRST)
    assert moved.ref == "refs/heads/main"
    assert repository.refs()["refs/heads/main"] == repository.refs()[REF]
    given = await repository.commits.give_back(FIRST)
    assert [update.ref for update in given] == ["refs/heads/main", REF]
    assert repository.refs() == before
    assert await repository.commits.give_back(FIRST) == ()


@BOTH
async def test_a_later_flush_is_given_back_alone(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    first = repository.commit("One")
    await repository.commits.take(await repository.commits.branches(), FIRST)
    repository.commit("Two")
    await repository.commits.take(await repository.commits.branches(), SECOND)
    await repository.commits.give_back(SECOND)
    assert repository.refs()[REF] == first


@BOTH
async def test_a_branch_can_move_after_a_later_flush(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    tip = repository.commit("Agent")
    before = repository.refs()["refs/heads/main"]
    await repository.commits.take(await repository.commits.branches(), FIRST)
    assert len(await repository.commits.forward(SECOND)) == 1
    assert repository.refs()["refs/heads/main"] == tip
    await repository.commits.give_back(SECOND)
    assert (repository.refs()["refs/heads/main"], repository.refs()[REF]) == (before, tip)


@BOTH
async def test_what_the_user_moved_stays(make: Make, tmp_path: Path) -> None:
    repository = await make(tmp_path)
    repository.commit("Agent")
    await repository.commits.take(await repository.commits.branches(), FIRST)
    elsewhere = repository.refs()["refs/heads/main"]
    repository.move(REF, elsewhere)
    (given,) = await repository.commits.give_back(FIRST)
    assert "was moved meanwhile" in given.failure
    assert repository.refs()[REF] == elsewhere
