# SPDX-License-Identifier: Apache-2.0
"""The agent's view of a git directory, read without git: refs and objects, all hostile."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bbox_server.domain.commit import CommitId
from bbox_server.domain.workspace import HostPath, WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRepository:
    """A repository as the agent was given it.

    Attributes:
        work_tree: Its directory, relative to the workspace.
        git_dir: In the generation: ours, never changed by the guest.
        inner: The same directory, relative to the workspace.
    """

    work_tree: WorkspacePath
    git_dir: HostPath
    inner: WorkspacePath


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRefs:
    """Branches whose tip the agent changed.

    Attributes:
        branches: By name, checked; DETACHED for a HEAD on no branch.
        refused: Names that can't be refs on the host, escaped.
    """

    branches: Mapping[str, CommitId] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentObject:
    """A file of the agent's object store.

    Attributes:
        name: What the file is called; a loose object's is what it claims to be.
        is_pack: Whether it is a pack of many.
        content: As it is on the disk.
    """

    name: str
    is_pack: bool
    content: bytes


class AgentGit(Protocol):
    """Reads what the agent left in its git directories. Blocking, bounded, follows no link."""

    def repositories(self) -> tuple[GivenRepository, ...]:
        """The repositories that the agent was given. Raises: snapshot.failed."""
        ...

    def refs(self, repository: GivenRepository) -> AgentRefs:
        """Branches that are not where they were. Raises: snapshot.failed."""
        ...

    def objects(self, repository: GivenRepository) -> Iterator[AgentObject]:
        """The objects that the agent added. Raises: snapshot.limit, snapshot.failed."""
        ...
