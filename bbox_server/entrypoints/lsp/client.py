# SPDX-License-Identifier: Apache-2.0
"""What can be said to an editor unasked, as far as it is able to hear it (LSP 3.17)."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from lsprotocol import types

from bbox_server.entrypoints.lsp.protocol import BboxProtocol
from bbox_server.entrypoints.lsp.transport import StreamsWriter


class Client:
    """The editor at the other end."""

    def __init__(self, protocol: BboxProtocol, stream: StreamsWriter) -> None:
        self._protocol = protocol
        self._stream = stream
        self._cancels: dict[str | int, Callable[[], None]] = {}

    @property
    def roots(self) -> list[str]:
        """URIs of the folders that are open, the first one first."""
        workspace = self._protocol.workspace
        folders = list(workspace.folders)
        return folders or ([workspace.root_uri] if workspace.root_uri else [])

    @property
    def can_ask(self) -> bool:
        """Whether the editor offers choices in a message."""
        window = self._protocol.client_capabilities.window
        return window is not None and window.show_message is not None

    @property
    def has_action_literals(self) -> bool:
        """Whether code actions may be more than commands."""
        document = self._protocol.client_capabilities.text_document
        found = document.code_action if document is not None else None
        return found is not None and found.code_action_literal_support is not None

    @property
    def can_show(self) -> bool:
        """Whether the editor opens files that it is told of."""
        window = self._protocol.client_capabilities.window
        return window is not None and bool(window.show_document and window.show_document.support)

    async def show(self, uri: str) -> None:
        """Open a file in a window."""
        params = types.ShowDocumentParams(uri=uri, take_focus=True)
        await self._request(types.WINDOW_SHOW_DOCUMENT, params)

    async def publish(self, uri: str, found: list[types.Diagnostic]) -> None:
        """Replace the diagnostics of a file."""
        await self._notify(
            types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS,
            types.PublishDiagnosticsParams(uri=uri, diagnostics=found),
        )

    async def tell(self, kind: types.MessageType, text: str) -> None:
        """Show a message."""
        params = types.ShowMessageParams(type=kind, message=text)
        await self._notify(types.WINDOW_SHOW_MESSAGE, params)

    async def ask(self, text: str, choices: Sequence[str]) -> str | None:
        """What the user chose; None where the message was sent away."""
        params = types.ShowMessageRequestParams(
            type=types.MessageType.Info,
            message=text,
            actions=[types.MessageActionItem(title=choice) for choice in choices],
        )
        chosen: Any = await self._request(types.WINDOW_SHOW_MESSAGE_REQUEST, params)
        title = getattr(chosen, "title", None)
        return title if title in choices else None

    async def progress(
        self, token: str | int | None, title: str, cancel: Callable[[], None]
    ) -> "Progress":
        """Begin to tell how something goes, under the client's token or one of ours."""
        window = self._protocol.client_capabilities.window
        if token is None and window is not None and window.work_done_progress:
            token = secrets.token_hex(8)
            create = types.WorkDoneProgressCreateParams(token=token)
            await self._request(types.WINDOW_WORK_DONE_PROGRESS_CREATE, create)
        if token is not None:
            self._cancels[token] = cancel
        progress = Progress(token, self._notify)
        await progress.say(types.WorkDoneProgressBegin(title=title, cancellable=True))
        return progress

    def cancelled(self, token: str | int) -> None:
        """The user wants something to end."""
        cancel = self._cancels.get(token)
        if cancel is not None:
            cancel()

    async def _notify(self, method: str, params: object) -> None:
        await self._stream.drain()
        self._protocol.notify(method, params)

    async def _request(self, method: str, params: object) -> object:
        await self._stream.drain()
        sent = self._protocol.send_request(method, params)
        return await asyncio.wrap_future(sent)


Step = types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd


class Progress:
    """Tells how one thing goes; silent where the editor has no token for it."""

    def __init__(
        self, token: str | int | None, notify: Callable[[str, object], Awaitable[None]]
    ) -> None:
        self._token = token
        self._notify = notify

    async def say(self, step: Step) -> None:
        """A step; the last one is the end."""
        if self._token is not None:
            params = types.ProgressParams(token=self._token, value=step)
            await self._notify(types.PROGRESS, params)
