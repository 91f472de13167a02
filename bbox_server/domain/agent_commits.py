# SPDX-License-Identifier: Apache-2.0
"""The way of the agent's commits into the user's repositories (ADR 0131)."""

from collections.abc import Sequence
from typing import Final, Protocol

from typing_extensions import override

from bbox_server.domain.commit import AgentBranch, RefUpdate
from bbox_server.domain.flush import FlushId


class AgentCommits(Protocol):
    """The commits of one session's agent, and the user's repositories that they go to."""

    async def branches(self) -> tuple[AgentBranch, ...]:
        """The branches with new commits now. Everything in them is hostile input.

        Raises: snapshot.failed, disk.full.
        """
        ...

    async def take(self, branches: Sequence[AgentBranch], flush: FlushId) -> tuple[RefUpdate, ...]:
        """Fetch the branches that are pending, noted under a flush. Raises: disk.full."""
        ...

    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Move the user's branches forward to what was fetched, noted under a flush.

        Files are left as they are.
        """
        ...

    async def give_back(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        """Take back what a flush did to refs, except where the user moved them since."""
        ...


class NoCommits(AgentCommits):
    """Of a session whose workspace has no repository."""

    @override
    async def branches(self) -> tuple[AgentBranch, ...]:
        return ()

    @override
    async def take(self, branches: Sequence[AgentBranch], flush: FlushId) -> tuple[RefUpdate, ...]:
        return ()

    @override
    async def forward(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        return ()

    @override
    async def give_back(self, flush: FlushId) -> tuple[RefUpdate, ...]:
        return ()


NO_COMMITS: Final = NoCommits()
