# SPDX-License-Identifier: Apache-2.0
"""Logins in memory."""

from dataclasses import dataclass, field
from pathlib import PurePosixPath

from typing_extensions import override

from bbox_server.domain.agent import agent_name
from bbox_server.domain.login import (
    CredentialFile,
    CredentialUpdate,
    FoundCredentials,
    HostLogins,
    LoginStore,
    SavedFile,
    SavedLogin,
    login_update,
)


@dataclass
class MemoryLoginStore(LoginStore):
    """What is kept, by agent and path."""

    saved: dict[str, dict[PurePosixPath, bytes]] = field(default_factory=dict)

    @override
    def load(self, agent: str, paths: tuple[PurePosixPath, ...]) -> tuple[CredentialFile, ...]:
        return tuple(
            file
            for file in self._files(agent)
            if any(file.path == root or root in file.path.parents for root in paths)
        )

    @override
    def save(
        self, agent: str, given: tuple[CredentialFile, ...], found: FoundCredentials
    ) -> CredentialUpdate:
        update = login_update(self._files(agent), given, found)
        files = self.saved.setdefault(agent, {})
        for path in update.removed:
            del files[path]
        files |= {file.path: file.content for file in update.written}
        return update

    @override
    def list(self) -> tuple[SavedLogin, ...]:
        return tuple(
            SavedLogin(
                agent=agent,
                files=tuple(
                    SavedFile(path=path, size=len(content), modified_at=0)
                    for path, content in sorted(files.items())
                ),
            )
            for agent, files in sorted(self.saved.items())
            if files
        )

    @override
    def clear(self, agent: str) -> bool:
        return self.saved.pop(agent_name(agent), None) is not None

    def _files(self, agent: str) -> tuple[CredentialFile, ...]:
        files = self.saved.get(agent_name(agent), {})
        return tuple(CredentialFile(path=path, content=files[path]) for path in sorted(files))


@dataclass
class MemoryHostLogins(HostLogins):
    """The user's own files."""

    files: dict[PurePosixPath, bytes] = field(default_factory=dict)

    @override
    def read(self, path: PurePosixPath) -> CredentialFile | None:
        content = self.files.get(path)
        return None if content is None else CredentialFile(path=path, content=content)
