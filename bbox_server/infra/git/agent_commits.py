# SPDX-License-Identifier: Apache-2.0
"""The commits of one session's agent, from its objects to the user's refs (ADR 0131)."""

import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import override

from bbox_server.domain.agent_commits import AgentCommits
from bbox_server.domain.agent_git import AgentGit, AgentRefs, GivenRepository
from bbox_server.domain.commit import (
    AgentBranch,
    CommitId,
    RefUpdate,
    pending,
    session_ref,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.git.quarantine import Quarantine, source_ref
from bbox_server.infra.git.receiving import Receiver
from bbox_server.infra.git.ref_record import RefChange, RefRecord

# One repository's trouble leaves the rest of the review be.
_TOLD: frozenset[ErrorCode] = frozenset(
    {
        ErrorCode.DEPENDENCY_MISSING,
        ErrorCode.GIT_FAILED,
        ErrorCode.PROCESS_FAILED,
        ErrorCode.SNAPSHOT_LIMIT,
    }
)


@dataclass(slots=True, kw_only=True)
class GitAgentCommits(AgentCommits):
    """Reads the agent's objects by `view`, and writes refs of the user's repositories.

    Attributes:
        view: What the agent left; nothing else looks into its directories.
        session: Whose refs they become.
        workspace: The user's.
        directory: Of the session, for repositories of ours and the record.
    """

    view: AgentGit
    session: SessionId
    workspace: HostPath
    directory: Path
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _known: dict[WorkspacePath, tuple[AgentRefs, tuple[AgentBranch, ...]]] = field(
        default_factory=dict
    )

    @override
    async def branches(self) -> tuple[AgentBranch, ...]:
        async with self._turn:
            return await asyncio.to_thread(self._list)

    @override
    async def take(self, branches: Sequence[AgentBranch], flush: FlushId) -> tuple[RefUpdate, ...]:
        async with self._turn:
            return await asyncio.to_thread(
                lambda: tuple(self._take(branch, flush) for branch in pending(branches))
            )

    @override
    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        async with self._turn:
            return await asyncio.to_thread(self._forward, flush)

    @override
    async def give_back(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        async with self._turn:
            return await asyncio.to_thread(self._give_back, flush)

    def _list(self) -> tuple[AgentBranch, ...]:
        found: list[AgentBranch] = []
        for repository in self.view.repositories():
            refs = self.view.refs(repository)
            if refs.branches or refs.refused:
                found += self._branches(repository, refs)
        return tuple(found)

    def _branches(self, repository: GivenRepository, refs: AgentRefs) -> list[AgentBranch]:
        known = self._known.get(repository.work_tree)
        if known is None or known[0] != refs:
            known = (refs, tuple(self._look(repository, refs)))
            self._known[repository.work_tree] = known
        receiver = self._receiver(repository.work_tree)
        return [self._with_state(branch, receiver) for branch in known[1]]

    def _look(self, repository: GivenRepository, refs: AgentRefs) -> list[AgentBranch]:
        quarantine = self._quarantine(repository.work_tree)
        bare = [
            AgentBranch(
                repository=repository.work_tree,
                name=name,
                tip=tip,
                ref=session_ref(self.session, name),
            )
            for name, tip in refs.branches.items()
        ]
        refused = [
            AgentBranch(
                repository=repository.work_tree,
                name=name,
                tip=CommitId(""),
                ref="",
                failure="A branch of that name can't be brought.",
            )
            for name in refs.refused
        ]
        try:
            quarantine.fill(repository, refs.branches, self.view.objects(repository))
        except BboxError as error:
            return [*(_failed(branch, error) for branch in bare), *refused]
        looked = (_described(branch, quarantine) for branch in bare)
        return [*(one for one in looked if one.commit_count or one.failure), *refused]

    def _with_state(self, branch: AgentBranch, receiver: Receiver) -> AgentBranch:
        if branch.failure:
            return branch
        try:
            return replace(branch, taken=receiver.tip(branch.ref) == branch.tip)
        except BboxError as error:
            return _failed(branch, error)

    def _take(self, branch: AgentBranch, flush: FlushId) -> RefUpdate:
        receiver = self._receiver(branch.repository)
        try:
            before = receiver.tip(branch.ref)
            self._record.note(
                RefChange(
                    flush=flush,
                    work_tree=str(branch.repository),
                    ref=branch.ref,
                    before=before or "",
                    after=branch.tip,
                )
            )
            bundle = self._quarantine(branch.repository).bundle(branch.name, branch.tip)
            receiver.fetch(bundle, source_ref(branch.name), branch.ref)
            bundle.unlink()
            is_behind = receiver.is_forwardable(branch.name, branch.tip)
            return RefUpdate(
                repository=branch.repository,
                ref=branch.ref,
                before=before,
                after=branch.tip,
                branch=branch.name if is_behind else "",
            )
        except BboxError as error:
            return self._not_done(error, branch.repository, branch.ref)

    def _forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        own = session_ref(self.session, "")
        fetched = {
            (one.work_tree, one.ref): replace(one, flush=flush)
            for one in self._record.load()
            if one.ref.startswith(own)
        }
        moved = (self._forward_one(one, own) for one in fetched.values())
        return tuple(update for update in moved if update is not None)

    def _forward_one(self, fetched: RefChange, own: str) -> RefUpdate | None:
        """Move one branch; None where it was not the agent's that lies behind."""
        name = fetched.ref.removeprefix(own)
        branch = f"refs/heads/{name}"
        repository = WorkspacePath(fetched.work_tree)
        receiver = self._receiver(repository)
        after = CommitId(fetched.after)
        try:
            before = receiver.tip(branch)
            if before is None or not receiver.is_forwardable(name, after):
                return None
            self._record.note(replace(fetched, ref=branch, before=before))
            receiver.forward(name, before, after)
        except BboxError as error:
            return self._not_done(error, repository, branch)
        return RefUpdate(repository=repository, ref=branch, before=before, after=after)

    def _give_back(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        changes = [one for one in self._record.load() if one.flush == flush]
        updates = []
        for change in reversed(changes):
            repository = WorkspacePath(change.work_tree)
            try:
                receiver = self._receiver(repository)
                updates.append(receiver.give_back(change.ref, change.before, change.after))
            except BboxError as error:
                updates.append(self._not_done(error, repository, change.ref))
        if changes:
            self._record.forget(flush)
        return tuple(updates)

    def _not_done(self, error: BboxError, repository: WorkspacePath, ref: str) -> RefUpdate:
        if error.code not in _TOLD:
            raise error
        return RefUpdate(
            repository=repository, ref=ref, before=None, after=None, failure=error.cause
        )

    @property
    def _record(self) -> RefRecord:
        return RefRecord(self.directory / "refs.jsonl")

    def _receiver(self, work_tree: WorkspacePath) -> Receiver:
        return Receiver(workspace=Path(self.workspace), work_tree=work_tree)

    def _quarantine(self, work_tree: WorkspacePath) -> Quarantine:
        name = hashlib.sha256(os.fsencode(work_tree)).hexdigest()[:16]
        return Quarantine(path=self.directory / f"{name}.git")


def _described(branch: AgentBranch, quarantine: Quarantine) -> AgentBranch:
    try:
        count = quarantine.count(branch.name)
        commits = quarantine.commits(branch.name) if count else ()
        if count:
            quarantine.bundle(branch.name, branch.tip).unlink()  # what is no good is told at once
    except BboxError as error:
        return _failed(branch, error)
    return replace(branch, commits=commits, commit_count=count)


def _failed(branch: AgentBranch, error: BboxError) -> AgentBranch:
    if error.code not in _TOLD:
        raise error
    return replace(branch, failure=error.cause)
