# SPDX-License-Identifier: Apache-2.0
"""An agent's commits, and the refs of a user's repository, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.commit import (
    AgentBranch,
    AgentCommit,
    CommitFile,
    CommitId,
    RefUpdate,
    pending,
    session_ref,
)
from bbox_server.domain.flush import FlushId
from bbox_server.domain.session import SessionId

SESSION = SessionId("3f9a1c07")
ROOT = PurePosixPath()


@dataclass
class MemoryCommits(AgentCommits):
    """One repository, whose history is a line.

    Attributes:
        refs: Of the user's repository, by full name.
        made: The agent's commits by branch, oldest first.
    """

    refs: dict[str, CommitId] = field(default_factory=dict)
    made: dict[str, list[AgentCommit]] = field(default_factory=dict)
    _record: list[tuple[FlushId, str, CommitId | None, CommitId]] = field(default_factory=list)

    def commit(self, name: str, subject: str) -> CommitId:
        """Let the agent commit on a branch."""
        commits = self.made.setdefault(name, [])
        one = CommitId(f"{sum(map(len, self.made.values())) + 1:040x}")
        commits.append(
            AgentCommit(
                id=one,
                subject=subject,
                author="Agent",
                email="agent@example.invalid",
                at=1,
                files=(CommitFile(status="M", path=PurePosixPath("a.txt")),),
                file_count=1,
            )
        )
        return one

    @override
    async def branches(self) -> tuple[AgentBranch, ...]:
        return tuple(self._branch(name, commits) for name, commits in sorted(self.made.items()))

    @override
    async def take(self, branches: Sequence[AgentBranch], flush: FlushId) -> tuple[RefUpdate, ...]:
        return tuple(self._set(branch.ref, branch.tip, flush) for branch in pending(branches))

    @override
    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        own = session_ref(SESSION, "")
        taken = {
            ref.removeprefix(own): after for _, ref, _, after in self._record if ref.startswith(own)
        }
        return tuple(
            self._set(f"refs/heads/{name}", after, flush)
            for name, after in taken.items()
            if self._is_behind(name, after)
        )

    @override
    async def give_back(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        mine = [entry for entry in self._record if entry[0] == flush]
        self._record = [entry for entry in self._record if entry[0] != flush]
        return tuple(self._bring_back(*entry[1:]) for entry in reversed(mine))

    def _branch(self, name: str, commits: list[AgentCommit]) -> AgentBranch:
        ref, tip = session_ref(SESSION, name), commits[-1].id
        return AgentBranch(
            repository=ROOT,
            name=name,
            tip=tip,
            ref=ref,
            commits=tuple(reversed(commits)),
            commit_count=len(commits),
            taken=self.refs.get(ref) == tip,
        )

    def _set(self, ref: str, after: CommitId, flush: FlushId) -> RefUpdate:
        before = self.refs.get(ref)
        self._record.append((flush, ref, before, after))
        self.refs[ref] = after
        name = ref.removeprefix(session_ref(SESSION, ""))
        branch = name if self._is_behind(name, after) else ""
        return RefUpdate(repository=ROOT, ref=ref, before=before, after=after, branch=branch)

    def _is_behind(self, name: str, after: CommitId) -> bool:
        now = self.refs.get(f"refs/heads/{name}")
        return now is not None and int(now, 16) < int(after, 16)

    def _bring_back(self, ref: str, before: CommitId | None, after: CommitId) -> RefUpdate:
        now = self.refs.get(ref)
        update = RefUpdate(repository=ROOT, ref=ref, before=now, after=before)
        if now != after:
            return replace(update, after=now, failure=f"{ref} was moved meanwhile, and stays.")
        if before is None:
            del self.refs[ref]
        else:
            self.refs[ref] = before
        return update
