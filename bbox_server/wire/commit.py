# SPDX-License-Identifier: Apache-2.0
"""The agent's commits on the wire (ADR 0131)."""

from pathlib import PurePosixPath

from pydantic import Field

from bbox_server.domain.commit import (
    AgentBranch,
    AgentCommit,
    CommitFile,
    CommitId,
    RefUpdate,
)
from bbox_server.wire.model import Message


class CommitFileMessage(Message):
    """A path that a commit touches; `status` is git's letter for how (A, D, M, T)."""

    status: str
    path: str


class CommitMessage(Message):
    """A commit of the agent's. `fileCount` counts all files, of which the first are listed."""

    id: str
    subject: str
    author: str
    email: str
    at: int
    files: tuple[CommitFileMessage, ...] = ()
    file_count: int = 0


class BranchMessage(Message):
    """A branch with new commits, newest first; a flush fetches it to `ref`.

    `repository` is the work tree's directory in the workspace. `taken` says that the user's
    repository has it, `failure` why it can't be brought.
    """

    repository: str
    name: str
    tip: str
    ref: str
    commits: tuple[CommitMessage, ...] = ()
    commit_count: int = 0
    taken: bool = False
    failure: str | None = None


class RefMessage(Message):
    """What was done to a ref of the user's repository.

    `branch` is the user's branch that `bbox/flush/forward` can move to it.
    """

    repository: str
    ref: str
    before: str | None = None
    after: str | None = None
    branch: str | None = None
    failure: str | None = None


class ForwardParams(Message):
    """Move the user's branches forward to the commits that a flush fetched; no file changes."""

    session: str
    flush: int = Field(ge=1)


class ForwardMessage(Message):
    """The branches that were moved, or why one was not."""

    session: str
    refs: tuple[RefMessage, ...]


def branch_message(branch: AgentBranch, *, with_commits: bool = True) -> BranchMessage:
    """A branch for a client."""
    return BranchMessage(
        repository=str(branch.repository),
        name=branch.name,
        tip=branch.tip,
        ref=branch.ref,
        commits=tuple(map(_commit_message, branch.commits)) if with_commits else (),
        commit_count=branch.commit_count,
        taken=branch.taken,
        failure=branch.failure or None,
    )


def ref_message(update: RefUpdate) -> RefMessage:
    """A ref for a client."""
    return RefMessage(
        repository=str(update.repository),
        ref=update.ref,
        before=update.before,
        after=update.after,
        branch=update.branch or None,
        failure=update.failure or None,
    )


def branch_of(message: BranchMessage) -> AgentBranch:
    """A branch as the domain has it."""
    return AgentBranch(
        repository=PurePosixPath(message.repository),
        name=message.name,
        tip=CommitId(message.tip),
        ref=message.ref,
        commits=tuple(map(_commit_of, message.commits)),
        commit_count=message.commit_count,
        taken=message.taken,
        failure=message.failure or "",
    )


def update_of(message: RefMessage) -> RefUpdate:
    """A ref's update as the domain has it."""
    return RefUpdate(
        repository=PurePosixPath(message.repository),
        ref=message.ref,
        before=None if message.before is None else CommitId(message.before),
        after=None if message.after is None else CommitId(message.after),
        branch=message.branch or "",
        failure=message.failure or "",
    )


def _commit_message(commit: AgentCommit) -> CommitMessage:
    return CommitMessage(
        id=commit.id,
        subject=commit.subject,
        author=commit.author,
        email=commit.email,
        at=commit.at,
        files=tuple(CommitFileMessage(status=f.status, path=str(f.path)) for f in commit.files),
        file_count=commit.file_count,
    )


def _commit_of(message: CommitMessage) -> AgentCommit:
    return AgentCommit(
        id=CommitId(message.id),
        subject=message.subject,
        author=message.author,
        email=message.email,
        at=message.at,
        files=tuple(CommitFile(status=f.status, path=PurePosixPath(f.path)) for f in message.files),
        file_count=message.file_count,
    )
