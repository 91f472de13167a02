# SPDX-License-Identifier: Apache-2.0
"""Agents' entries in memory."""

from typing_extensions import override

from bbox_server.domain.agent import AgentName, agent_name
from bbox_server.domain.config.entries import AgentEntries, AgentEntry, Manifest, Written
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.workspace import HostPath


class MemoryAgentEntries(AgentEntries):
    """Entries by name; `files` are those that can be read."""

    def __init__(self) -> None:
        self.entries: dict[AgentName, AgentEntry] = {}
        self.files: dict[HostPath, AgentEntry] = {}

    @override
    def get(self, name: AgentName) -> AgentEntry | None:
        return self.entries.get(name)

    @override
    def put(self, name: AgentName, entry: AgentEntry, *, replace: bool) -> Written:
        is_there = name in self.entries
        if is_there and not replace:
            raise BboxError(ErrorCode.AGENT_EXISTS, cause="It is there.", remediation="--force")
        if not entry.get("image") or not entry.get("command"):
            raise BboxError(ErrorCode.AGENT_INVALID, cause="image", remediation="Give one.")
        self.entries[name] = entry
        return Written(path=HostPath("/config.yaml"), replaced=is_there)

    @override
    def read(self, path: HostPath, name: AgentName | None) -> Manifest:
        if path not in self.files:
            raise BboxError(ErrorCode.AGENT_INVALID, cause="No file.", remediation="Give one.")
        entry = dict(self.files[path])
        own = agent_name(str(entry.pop("name")))
        return Manifest(name=name or own, entry=entry)

    @override
    def text(self, name: AgentName, entry: AgentEntry) -> str:
        return f"name: {name}\n" + "".join(f"{key}: {value}\n" for key, value in entry.items())

    @override
    def starter(self, name: AgentName) -> str:
        return f"# {name}\n"
