# SPDX-License-Identifier: Apache-2.0
"""Commits that the agent made: what of them is shown, and the refs that they come back under.

Nothing of the agent's `.git` is ever flushed. Its new commits are read as objects into a
repository of ours, and fetched from there (ADR 0131, compat P-01, P-11).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NewType

from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import WorkspacePath

CommitId = NewType("CommitId", str)
"""The name of a git object: 40 or 64 lower-case hexadecimal digits."""

DETACHED: Final = "HEAD"
"""Stands for a branch's name where the agent committed on none."""

NAME_LIMIT_BYTES: Final = 200
BRANCH_LIMIT: Final = 100
"""Branches with new commits that are looked at; an agent with more has gone astray."""

COMMIT_LIMIT: Final = 100
"""Commits of a branch that are shown; all are fetched."""

FILE_LIMIT: Final = 200
"""Files of a commit that are shown."""

_COMMIT_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FORBIDDEN: Final = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//|\.$|/$|^/|^-")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFile:
    """A path that a commit touches; `status` is git's letter for how."""

    status: str
    path: WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentCommit:
    """One commit. All texts are the guest's words.

    Attributes:
        subject: The first line of its message.
        at: When it was written, in seconds since the epoch, as it says itself.
        files: At most FILE_LIMIT of them; none for a merge.
        file_count: How many there are.
    """

    id: CommitId
    subject: str
    author: str
    email: str
    at: int
    files: tuple[CommitFile, ...] = ()
    file_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBranch:
    """A branch that has commits which the workspace's repository did not have.

    Attributes:
        repository: Directory of the work tree, relative to the workspace.
        name: Without `refs/heads/`; DETACHED where there is none.
        tip: The newest commit.
        ref: Where it is fetched to in the user's repository.
        commits: Newest first, at most COMMIT_LIMIT.
        commit_count: How many there are.
        taken: The user's repository has the ref at this commit already.
        failure: Why the commits can't be brought, as a sentence; then there are none.
    """

    repository: WorkspacePath
    name: str
    tip: CommitId
    ref: str
    commits: tuple[AgentCommit, ...] = ()
    commit_count: int = 0
    taken: bool = False
    failure: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether a flush would fetch it."""
        return not self.taken and not self.failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RefUpdate:
    """What a flush or an undo did to a ref of the user's repository.

    Attributes:
        after: None where the ref is gone.
        branch: The user's branch that could be moved forward to it; empty where none could.
        failure: Why nothing was done, as a sentence.
    """

    repository: WorkspacePath
    ref: str
    before: CommitId | None
    after: CommitId | None
    branch: str = ""
    failure: str = ""


def is_commit_id(text: str) -> bool:
    """Whether a text names an object."""
    return _COMMIT_ID.fullmatch(text) is not None


def is_branch_name(name: str) -> bool:
    """Whether the guest's name of a branch may become part of a ref on the host.

    The rules of git-check-ref-format(1), and no invisible characters: a name is shown, and typed.
    """
    parts = name.split("/")
    return (
        name.isprintable()
        and 0 < len(name.encode("utf-8", "surrogateescape")) <= NAME_LIMIT_BYTES
        and _FORBIDDEN.search(name) is None
        and name not in {"@", DETACHED}
        and all(part and not part.startswith(".") and not part.endswith(".lock") for part in parts)
    )


def session_ref(session: SessionId, branch: str) -> str:
    """Where a session's branch is fetched to: nothing there is checked out or pushed by itself."""
    return f"refs/bbox/{session}/{branch}"


def pending(branches: Iterable[AgentBranch]) -> tuple[AgentBranch, ...]:
    """The branches that a flush would fetch."""
    return tuple(branch for branch in branches if branch.is_pending)
