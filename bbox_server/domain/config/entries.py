# SPDX-License-Identifier: Apache-2.0
"""Agents of the user's own, as entries of their config file (compat CLI-43 to CLI-47)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bbox_server.domain.agent import AgentName
from bbox_server.domain.workspace import HostPath

AgentEntry = Mapping[str, object]
"""`agents.NAME` as it stands in the file: texts, numbers, lists and mappings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An agent in a file of its own."""

    name: AgentName
    entry: AgentEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of an entry."""

    path: HostPath
    replaced: bool


class AgentEntries(Protocol):
    """The entries of the user's file, and files with one of them."""

    def get(self, name: AgentName) -> AgentEntry | None:
        """What the file says of an agent; None for nothing. Raises: config.invalid."""
        ...

    def put(self, name: AgentName, entry: AgentEntry, *, replace: bool) -> Written:
        """Write an entry that is valid; comments and the other entries stay as they are.

        Raises:
            BboxError: agent.invalid, with every problem; agent.exists; config.invalid where the
                file is wrong already, or has no place for it; directory.unusable.
        """
        ...

    def read(self, path: HostPath, name: AgentName | None) -> Manifest:
        """A file with one agent; `name` is another name for it.

        Raises: agent.invalid, with line and column of every problem; agent.invalid-name.
        """
        ...

    def text(self, name: AgentName, entry: AgentEntry) -> str:
        """The same as text: what `read` takes."""
        ...

    def starter(self, name: AgentName) -> str:
        """A stanza for the config, explained and commented out."""
        ...
