# SPDX-License-Identifier: Apache-2.0
"""bbox.* of `workspace/executeCommand`: the way from run to apply for any editor."""

from collections.abc import Awaitable, Callable, Iterator, Mapping

from lsprotocol import types

from bbox_server.application.find_session import FindSession
from bbox_server.domain.config.source import TrustDecision
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushKind
from bbox_server.domain.session import SessionId, SessionRecord
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.entrypoints.lsp.buffers import Buffers
from bbox_server.entrypoints.lsp.client import Client, Progress
from bbox_server.entrypoints.lsp.diff_text import diff_text
from bbox_server.entrypoints.lsp.following import Following
from bbox_server.entrypoints.lsp.handlers import Handlers
from bbox_server.entrypoints.lsp.hunk_diagnostics import as_actions, readable
from bbox_server.entrypoints.lsp.owned_tasks import OwnedTasks
from bbox_server.entrypoints.lsp.reviews import Reviews
from bbox_server.entrypoints.lsp.services import LspServices
from bbox_server.wire.command import (
    Applied,
    ApplyCommand,
    DiffShown,
    ReviewCommand,
    RunCommand,
    ShowDiffCommand,
    StopCommand,
    UndoCommand,
    UndoDecisionCommand,
)
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.params import read_message
from bbox_server.wire.review import FlushMessage, PlanMessage
from bbox_server.wire.review_request import ChangeDetail, DecideParams
from bbox_server.wire.run import AgentsMessage
from bbox_server.wire.session import SessionMessage
from bbox_server.wire.trust import TrustDecideParams
from bbox_server.wire.workspace_uri import file_uri, workspace_path

APPLY = "Apply"
NOT_NOW = "Not now"
TRUST = "Allow it"
REFUSE = "Run without it"
SHOWN_PATHS = 20


class Commands:
    """One editor's commands, and the sessions that it follows for them."""

    def __init__(
        self,
        services: LspServices,
        handlers: Handlers,
        client: Client,
        buffers: Buffers,
        tasks: OwnedTasks,
    ) -> None:
        self.handlers = handlers
        self._buffers = buffers
        self._services = services
        self._client = client
        self._tasks = tasks
        self._reviews = Reviews(client, self._ask)
        self._followed: set[SessionId] = set()
        self._acts: Mapping[str, Callable[[object], Awaitable[JsonObject]]] = {
            "bbox.stop": lambda given: self._end(read_message(StopCommand, given)),
            "bbox.review": lambda given: self._review(read_message(ReviewCommand, given)),
            "bbox.decide": lambda given: self._decide(read_message(DecideParams, given)),
            "bbox.apply": lambda given: self._apply(read_message(ApplyCommand, given)),
            "bbox.undo": lambda given: self._undo(read_message(UndoCommand, given)),
            "bbox.undoDecision": lambda given: self._undo_decision(
                read_message(UndoDecisionCommand, given)
            ),
            "bbox.showDiff": lambda given: self._show_diff(read_message(ShowDiffCommand, given)),
        }

    async def execute(self, name: str, argument: object, token: str | int | None) -> JsonObject:
        """Answer a command. Raises: RpcError, naming every bad field; BboxError."""
        if name == "bbox.run":
            return await self._run(read_message(RunCommand, argument), token)
        return await self._acts[name](argument)

    async def opened(self, uri: str) -> None:
        """The editor has a file open now."""
        await self._reviews.opened(uri)

    def actions(self, params: types.CodeActionParams) -> list[types.Command | types.CodeAction]:
        """What can be decided at a place. Raises: workspace.invalid."""
        found = self._reviews.actions(params.text_document.uri, params.range)
        return [*as_actions(found)] if self._client.has_action_literals else [*found]

    async def _run(self, params: RunCommand, token: str | int | None) -> JsonObject:
        agent = params.agent
        if agent is None and params.image is None:
            agent = await self._choose_agent()
        await self._ask_trust(params.workspace_uri or self._root_uri())
        asked = {
            "workspaceUri": params.workspace_uri or self._root_uri(),
            "agent": agent,
            "image": params.image,
            "args": params.args,
            "options": params.options.to_object(),
            "terminal": params.terminal and params.terminal.to_object(),
        }
        answer = await self.handlers.request(
            "bbox/run", {name: value for name, value in asked.items() if value is not None}
        )
        summary = SessionMessage.model_validate(answer, extra="ignore")
        session = SessionId(summary.id)

        def cancel() -> None:
            self._tasks.start(self._stop(session))

        title = f"{readable(summary.agent)} in a microVM"
        self._follow(session, await self._client.progress(token, title, cancel))
        if params.terminal is None:
            await self._end_input(session)
        return answer

    async def _ask_trust(self, workspace_uri: str) -> None:
        """Ask once per content of the workspace's file what it widens (P-25)."""
        found = self.handlers.trust(workspace_uri)
        if not found.widening or found.decision is not None or not self._client.can_ask:
            return
        lines = "\n".join(found.widening)
        text = readable(f"The .broodbox.yaml here asks for more than you allow:\n{lines}")
        answer = await self._client.ask(text, (TRUST, REFUSE))
        if answer is not None and found.digest is not None:
            decision = TrustDecision.TRUSTED if answer == TRUST else TrustDecision.REFUSED
            self.handlers.decide_trust(
                TrustDecideParams(
                    workspace_uri=workspace_uri, digest=found.digest, decision=decision
                )
            )

    async def _choose_agent(self) -> str:
        if not self._client.can_ask:
            raise _no_agent("The command names neither an agent nor an image.")
        answer = await self.handlers.request("bbox/agents/list", {})
        agents = AgentsMessage.model_validate(answer).agents
        names = [agent.name for agent in agents if agent.available]
        chosen = await self._client.ask("Which agent?", names) if names else None
        if chosen is None:
            raise _no_agent("No agent was chosen." if names else "No agent's image is here.")
        return chosen

    async def _end_input(self, session: SessionId) -> None:
        """Nobody types: an agent that reads its input must not wait for it."""
        opened = await self._ask(session, "bbox/terminal/open", {})
        view: JsonObject = {"terminal": opened["terminal"]}
        await self._ask(session, "bbox/terminal/input", {**view, "end": True})
        await self._ask(session, "bbox/terminal/close", view)

    async def _stop(self, session: SessionId) -> None:
        try:
            await self._ask(session, "bbox/sessions/stop", {})
        except BboxError as error:
            await self._client.tell(types.MessageType.Error, f"{error.message} {error.cause}")

    async def _end(self, params: StopCommand) -> JsonObject:
        session = self._find(params.session).id
        return await self._ask(session, "bbox/sessions/stop", {"mode": params.mode.value})

    async def _review(self, params: ReviewCommand) -> JsonObject:
        record = self._find(params.session)
        summary = await self._reviews.refresh(record)
        self._follow(record.id, None)
        return summary.to_object()

    async def _decide(self, params: DecideParams) -> JsonObject:
        record = self._find(params.session)
        try:
            return await self._ask(record.id, "bbox/review/decide", params.to_object())
        finally:
            # Also after a refusal: what was decided on may be gone.
            await self._reviews.refresh(record)

    async def _apply(self, params: ApplyCommand) -> JsonObject:
        record = self._find(params.session)
        files = self._services.files(record.workspace)
        unsaved = await self._buffers.unsaved(self._reviews.root(record), files)
        asked: JsonObject = {"unsaved": list(unsaved)}
        plan = PlanMessage.model_validate(
            await self._ask(record.id, "bbox/flush/plan", asked), extra="ignore"
        )
        flush = None
        if await self._wants(plan, ask=params.ask):
            shown: JsonObject = {**asked, "planHash": plan.plan_hash}
            answer = await self._ask(record.id, "bbox/flush/apply", shown)
            flush = FlushMessage.model_validate(answer, extra="ignore")
            await self._tell_results(flush)
            await self._reviews.refresh(record)
        return Applied(session=record.id, plan=plan, flush=flush).to_object()

    async def _undo(self, params: UndoCommand) -> JsonObject:
        record = self._find(params.session)
        asked: JsonObject = {} if params.flush is None else {"flush": params.flush}
        answer = await self._ask(record.id, "bbox/flush/undo", asked)
        flush = FlushMessage.model_validate(answer, extra="ignore")
        await self._tell_results(flush)
        await self._reviews.refresh(record)
        return flush.to_object()

    async def _undo_decision(self, params: UndoDecisionCommand) -> JsonObject:
        record = self._find(params.session)
        answer = await self._ask(record.id, "bbox/review/undo", {})
        await self._reviews.refresh(record)
        return answer

    async def _show_diff(self, params: ShowDiffCommand) -> JsonObject:
        record = self._find(params.session)
        answer = await self._ask(record.id, "bbox/changes/get", {"change": params.change})
        change = ChangeDetail.model_validate(answer, extra="ignore").change
        diff = diff_text(change)
        page = self._services.diffs().put(record.id, WorkspacePath(change.path), diff)
        uri = file_uri(page)
        if self._client.can_show:
            await self._client.show(uri)
        return DiffShown(session=record.id, change=change.id, uri=uri, diff=diff).to_object()

    async def _wants(self, plan: PlanMessage, *, ask: bool) -> bool:
        text = "\n".join(_plan_lines(plan))
        if not plan.operations:
            await self._client.tell(types.MessageType.Warning, text)
            return False
        if not ask or not self._client.can_ask:
            return True
        return await self._client.ask(text, (APPLY, NOT_NOW)) == APPLY

    async def _tell_results(self, flush: FlushMessage) -> None:
        failed = [item for item in flush.results if item.result != "applied"]
        count = len(flush.results) - len(failed)
        done = "brought back" if flush.kind is FlushKind.UNDO else "written"
        lines = [f"{count} {'file' if count == 1 else 'files'} {done}."]
        lines += [f"{item.path}: {item.result} {item.detail or ''}".rstrip() for item in failed]
        kind = types.MessageType.Warning if failed else types.MessageType.Info
        await self._client.tell(kind, readable("\n".join(lines)))

    def _follow(self, session: SessionId, progress: Progress | None) -> None:
        if session in self._followed:
            return
        self._followed.add(session)
        following = Following(
            gateway=self._services.gateway(),
            reviews=self._reviews,
            client=self._client,
            record=lambda: self._find(session),
            forget=self.handlers.hosts.forget,
            progress=progress,
        )

        async def follow() -> None:
            try:
                await following.follow()
            finally:
                self._followed.discard(session)

        self._tasks.start(follow())

    def _find(self, session: str | None) -> SessionRecord:
        find = FindSession(sessions=self._services.sessions())
        return find(session, HostPath("") if session else workspace_path(self._root_uri()))

    def _root_uri(self) -> str:
        for uri in self._client.roots:
            return uri
        raise BboxError(
            ErrorCode.WORKSPACE_INVALID,
            cause="The editor has no folder open.",
            remediation="Open one, or name a workspaceUri or a session.",
        )

    async def _ask(self, session: SessionId, method: str, params: JsonObject) -> JsonObject:
        return await self.handlers.request(method, {**params, "session": session})


def _plan_lines(plan: PlanMessage) -> Iterator[str]:
    count = len(plan.operations)
    if not count:
        yield "Nothing is accepted that could be written."
    else:
        yield f"{count} {'file' if count == 1 else 'files'} will be written:"
    for item in plan.operations[:SHOWN_PATHS]:
        yield readable(f"{item.kind} {item.path}")
    if count > SHOWN_PATHS:
        yield f"… and {count - SHOWN_PATHS} more"
    for conflict in plan.conflicts[:SHOWN_PATHS]:
        yield readable(f"not written: {conflict.path} ({conflict.reason})")


def _no_agent(cause: str) -> BboxError:
    return BboxError(
        ErrorCode.CLI_USAGE,
        cause=cause,
        remediation="Give {agent: NAME} or {image: REFERENCE, args: [COMMAND]}; "
        "`bbox list` shows the agents, `make image-NAME` gets an image.",
    )
