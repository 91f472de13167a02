# SPDX-License-Identifier: Apache-2.0
"""bbox/*: decoded, handed on, encoded."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import ENDED, SessionId, SessionRecord
from bbox_server.domain.workspace import Digest
from bbox_server.entrypoints.lsp.hosts import Hosts
from bbox_server.entrypoints.lsp.names import CALLER_METHODS, RUN
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.wire.event import LogMessage, event_message
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.lifecycle import SessionsListParams
from bbox_server.wire.model import Message
from bbox_server.wire.params import read_params
from bbox_server.wire.review_request import SessionParams
from bbox_server.wire.run import AgentsMessage, agents_message
from bbox_server.wire.session import SessionsMessage, doctor_message, session_message
from bbox_server.wire.trust import TrustDecideParams, TrustMessage, TrustParams
from bbox_server.wire.workspace_uri import workspace_path

LOG_EVENTS: Final = 5_000
LOG_CHARS: Final = 1 << 18
"""The newest of each: a log is read by a person."""


class Handlers:
    """Answers requests of an editor."""

    def __init__(self, services: LspServices, hosts: Hosts) -> None:
        self._services = services
        self.hosts = hosts

    async def request(self, method: str, params: object) -> JsonObject:
        """Any method of the table. Raises: RpcError, BboxError."""
        sent = dict(params) if isinstance(params, Mapping) else {"params": params}
        message = read_params(method, sent)
        if method in CALLER_METHODS:
            return (await self._own(method, message)).to_object()
        if method == RUN:
            return await (await self.hosts.new()).request(method, sent)
        connection = await self.hosts.to(SessionId(str(sent.get("session"))))
        return await connection.request(method, sent)

    async def _own(self, method: str, message: Message) -> Message:
        """What needs no session's host; the table says which message comes with which method."""
        match message:
            case SessionsListParams():
                return self._sessions(message)
            case SessionParams():
                return self._of_session(method, SessionId(message.session))
            case TrustParams():
                return self.trust(message.workspace_uri)
            case TrustDecideParams():
                return self.decide_trust(message)
            case _ if method == "bbox/agents/list":
                return await self._agents()
            case _:
                return doctor_message(await self._services.diagnose()())

    def _of_session(self, method: str, session: SessionId) -> Message:
        record = self._record(session)
        return self._log(session) if method == "bbox/sessions/log" else session_message(record)

    def trust(self, workspace_uri: str) -> TrustMessage:
        """What the workspace's file asks for. Raises: workspace.invalid, config.invalid."""
        resolved = self._services.configs()(workspace_path(workspace_uri))
        return TrustMessage(
            workspace_uri=workspace_uri,
            digest=resolved.digest,
            decision=resolved.decision,
            widening=tuple(str(finding) for finding in resolved.widening),
        )

    def decide_trust(self, params: TrustDecideParams) -> TrustMessage:
        """Remember what the user says of that content. Raises: as `trust`; directory.unusable."""
        workspace = workspace_path(params.workspace_uri)
        trust = self._services.configs().trust
        trust.decide(workspace, Digest(params.digest), params.decision)
        return self.trust(params.workspace_uri)

    async def _agents(self) -> AgentsMessage:
        stored = await self._services.images().list()
        present = {reference for image in stored for reference in image.references}
        return agents_message(self._services.agents(), present)

    def _sessions(self, params: SessionsListParams) -> SessionsMessage:
        records = self._services.sessions().list()
        if params.workspace_uri is not None:
            workspace = workspace_path(params.workspace_uri)
            records = tuple(record for record in records if record.workspace == workspace)
        if not params.ended_too:
            records = tuple(record for record in records if record.state not in ENDED)
        return SessionsMessage(sessions=tuple(map(session_message, records)))

    def _log(self, session: SessionId) -> LogMessage:
        logs = self._services.logs()
        events = deque(logs.events(session), maxlen=LOG_EVENTS)
        return LogMessage(
            session=session,
            events=tuple(map(event_message, events)),
            console=logs.console(session)[-LOG_CHARS:],
            trace=logs.trace(session),
        )

    def _record(self, session: str) -> SessionRecord:
        for record in self._services.sessions().list():
            if record.id == session:
                return record
        raise BboxError(
            ErrorCode.SESSION_UNKNOWN,
            cause=f"There is no session {session[:32]!r}.",
            remediation="Look at the list of sessions again.",
        )
