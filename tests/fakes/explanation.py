# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, field

from typing_extensions import override

from bbox_server.domain.excludes import IGNORE_FILE_LIMIT_BYTES
from bbox_server.domain.explanation import WorkspacePaths
from bbox_server.domain.workspace import WorkspacePath


@dataclass
class MemoryPaths(WorkspacePaths):
    """A workspace that is a dictionary; what is None is a link."""

    files: dict[str, bytes | None] = field(default_factory=dict)
    tracked: set[str] = field(default_factory=set)

    @override
    def is_directory(self, path: WorkspacePath) -> bool:
        return any(name.startswith(f"{path}/") for name in self.files)

    @override
    def ignore_file(self, path: WorkspacePath) -> bytes | None:
        content = self.files.get(str(path))
        return content if content is None or len(content) <= IGNORE_FILE_LIMIT_BYTES else None

    @override
    def is_tracked(self, path: WorkspacePath, *, is_directory: bool) -> bool:
        if is_directory:
            return any(name.startswith(f"{path}/") for name in self.tracked)
        return str(path) in self.tracked
