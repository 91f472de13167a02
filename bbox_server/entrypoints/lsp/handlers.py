# SPDX-License-Identifier: Apache-2.0
"""bbox/*: decoded, handed on, encoded."""

from collections.abc import Mapping

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.session import ENDED, SessionId, SessionRecord
from bbox_server.entrypoints.lsp.hosts import Hosts
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.lifecycle import SessionsListParams
from bbox_server.wire.params import read_params
from bbox_server.wire.review_request import SessionParams
from bbox_server.wire.run import AgentsMessage, AgentSource, agent_message
from bbox_server.wire.session import SessionsMessage, doctor_message, session_message
from bbox_server.wire.workspace_uri import workspace_path


class Handlers:
    """Answers requests of an editor."""

    def __init__(self, services: LspServices, hosts: Hosts) -> None:
        self._services = services
        self.hosts = hosts

    async def request(self, method: str, params: object) -> JsonObject:
        """Any method of the table. Raises: RpcError, BboxError."""
        sent = dict(params) if isinstance(params, Mapping) else {"params": params}
        message = read_params(method, sent)
        match method:
            case "bbox/agents/list":
                return (await self._agents()).to_object()
            case "bbox/doctor":
                return doctor_message(await self._services.diagnose()()).to_object()
            case "bbox/sessions/list":
                assert isinstance(message, SessionsListParams)  # noqa: S101 (the table says so)
                return self._sessions(message).to_object()
            case "bbox/sessions/get":
                assert isinstance(message, SessionParams)  # noqa: S101 (the table says so)
                return session_message(self._record(message.session)).to_object()
            case "bbox/run":
                return await (await self.hosts.new()).request(method, sent)
            case _:
                connection = await self.hosts.to(SessionId(str(sent.get("session"))))
                return await connection.request(method, sent)

    async def _agents(self) -> AgentsMessage:
        stored = await self._services.images().list()
        present = {reference for image in stored for reference in image.references}
        agents = self._services.agents()
        sources = dict.fromkeys(agents.custom, AgentSource.CONFIG)
        return AgentsMessage(
            agents=tuple(
                agent_message(
                    agent,
                    has_image=agent.image in present,
                    source=sources.get(agent.name, AgentSource.BUILT_IN),
                )
                for agent in agents.list()
            )
        )

    def _sessions(self, params: SessionsListParams) -> SessionsMessage:
        records = self._services.sessions().list()
        if params.workspace_uri is not None:
            workspace = workspace_path(params.workspace_uri)
            records = tuple(record for record in records if record.workspace == workspace)
        if not params.ended_too:
            records = tuple(record for record in records if record.state not in ENDED)
        return SessionsMessage(sessions=tuple(map(session_message, records)))

    def _record(self, session: str) -> SessionRecord:
        for record in self._services.sessions().list():
            if record.id == session:
                return record
        raise BboxError(
            ErrorCode.SESSION_UNKNOWN,
            cause=f"There is no session {session[:32]!r}.",
            remediation="Look at the list of sessions again.",
        )
