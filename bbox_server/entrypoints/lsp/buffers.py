# SPDX-License-Identifier: Apache-2.0
"""What the editor has open: a text there may be newer than its file."""

from collections.abc import Iterator
from typing import Final

from bbox_server.domain.error import BboxError
from bbox_server.domain.flush import WorkspaceFiles
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.entrypoints.lsp.protocol import BboxProtocol
from bbox_server.wire.workspace_uri import file_path

LIMIT_BYTES: Final = 16 << 20


class Buffers:
    """The editor's open texts (LSP 3.17, text document synchronization)."""

    def __init__(self, protocol: BboxProtocol) -> None:
        self._protocol = protocol

    async def unsaved(self, root: HostPath, files: WorkspaceFiles) -> tuple[str, ...]:
        """Paths below a folder whose text is not what their file has.

        An editor that reads a file again tells that as a change: so texts are compared.
        """
        found: list[str] = []
        for path, text in self._below(root):
            try:
                saved = await files.read(path, LIMIT_BYTES)
            except BboxError:
                saved = b""
            if _plain(text) != _plain(saved.decode(errors="replace")):
                found.append(str(path))
        return tuple(found)

    def _below(self, root: HostPath) -> Iterator[tuple[WorkspacePath, str]]:
        for document in tuple(self._protocol.workspace.text_documents.values()):
            try:
                path = file_path(document.uri)
            except BboxError:
                continue  # of no file
            if path.startswith(f"{root.rstrip('/')}/"):
                yield WorkspacePath(path[len(root.rstrip("/")) + 1 :]), document.source


def _plain(text: str) -> str:
    """Without what an editor hides: the mark at the beginning, line ends, the last one of them."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").removesuffix("\n")
