# SPDX-License-Identifier: Apache-2.0
"""Sessions' changes as an editor's diagnostics, and what can be decided at a place."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lsprotocol import types

from bbox_server.domain.error import BboxError
from bbox_server.domain.review import Verdict
from bbox_server.domain.session import SessionId, SessionRecord
from bbox_server.domain.workspace import HostPath, below
from bbox_server.entrypoints.lsp.client import Client
from bbox_server.entrypoints.lsp.hunk_diagnostics import code_actions, diagnostics
from bbox_server.wire.command import ReviewSummary
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.review import ChangeMessage
from bbox_server.wire.review_request import ChangesPage
from bbox_server.wire.workspace_uri import file_path, file_uri, workspace_path

Ask = Callable[[SessionId, str, JsonObject], Awaitable[JsonObject]]
"""Ask a session's host. Raises: RpcError, BboxError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A session's changes, by the paths of their files as the editor writes them."""

    agent: str
    revision: int
    changes: dict[HostPath, ChangeMessage]


class Reviews:
    """All sessions that are reviewed in this editor."""

    def __init__(self, client: Client, ask: Ask) -> None:
        self._client = client
        self._ask = ask
        self._shown: dict[SessionId, Shown] = {}
        self._published: dict[str, list[types.Diagnostic]] = {}
        self._turn = asyncio.Lock()

    async def refresh(self, record: SessionRecord) -> ReviewSummary:
        """Show a session's changes as they are now. Raises: as bbox/changes/list."""
        async with self._turn:
            revision, changes = await self._list(record.id)
            root = self.root(record)
            by_path = {below(root, change.path): change for change in changes}
            self._shown[record.id] = Shown(agent=record.agent, revision=revision, changes=by_path)
            await self._publish()
        return _summary(record.id, by_path)

    async def forget(self, session: SessionId) -> None:
        """Show nothing of a session any more."""
        async with self._turn:
            self._shown.pop(session, None)
            await self._publish()

    async def opened(self, uri: str) -> None:
        """Show a file's changes again: an editor that reads it again has forgotten them."""
        found = self._published.get(uri)
        if found:
            await self._client.publish(uri, found)

    def actions(self, uri: str, wanted: types.Range) -> list[types.Command]:
        """What can be decided there, and the flush of what was accepted."""
        path = file_path(uri)
        found: list[types.Command] = []
        for session, shown in self._shown.items():
            change = shown.changes.get(path)
            if change is not None:
                found += code_actions(change, session, shown.revision, wanted)
            if any(_is_accepted(change) for change in shown.changes.values()):
                title = f"Apply accepted changes of {shown.agent}"
                arguments: list[object] = [{"session": session}]
                found.append(types.Command(title=title, command="bbox.apply", arguments=arguments))
        return found

    async def _list(self, session: SessionId) -> tuple[int, list[ChangeMessage]]:
        found: list[ChangeMessage] = []
        params: JsonObject = {"session": session, "withHunks": True}
        while True:
            answer = await self._ask(session, "bbox/changes/list", params)
            page = ChangesPage.model_validate(answer, extra="ignore")
            found += page.changes
            if page.next_cursor is None:
                return page.revision, found
            params = {**params, "cursor": page.next_cursor}

    async def _publish(self) -> None:
        wanted: dict[str, list[types.Diagnostic]] = {}
        for shown in self._shown.values():
            for path, change in shown.changes.items():
                found = diagnostics(change, shown.agent)
                if found:
                    wanted.setdefault(file_uri(path), []).extend(found)
        for uri in sorted(wanted.keys() | self._published.keys()):
            found = wanted.get(uri, [])
            if found != self._published.get(uri, []):
                await self._client.publish(uri, found)
        self._published = wanted

    def root(self, record: SessionRecord) -> HostPath:
        """The workspace as the editor names it: its folder may be reached by a link."""
        for uri in self._client.roots:
            try:
                if workspace_path(uri) == record.workspace:
                    return file_path(uri)
            except BboxError:
                continue
        return record.workspace


def _summary(session: SessionId, changes: dict[HostPath, ChangeMessage]) -> ReviewSummary:
    verdicts = [change.verdict for change in changes.values() if change.withheld is None]
    return ReviewSummary(
        session=session,
        undecided=sum(bool(diagnostics(change, "")) for change in changes.values()),
        accepted=sum(_is_accepted(change) for change in changes.values()),
        rejected=verdicts.count(Verdict.REJECTED),
        withheld=len(changes) - len(verdicts),
        uris=tuple(file_uri(path) for path, change in changes.items() if diagnostics(change, "")),
    )


def _is_accepted(change: ChangeMessage) -> bool:
    """Whether a flush takes anything of it."""
    taken = {Verdict.ACCEPTED, Verdict.EDITED}
    verdicts = {change.verdict, *(hunk.verdict for hunk in change.hunks)}
    return change.withheld is None and bool(taken & verdicts)
