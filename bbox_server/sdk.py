# SPDX-License-Identifier: Apache-2.0
"""bbox as a library: run an agent in a microVM, look at what it changed, apply what is wanted.

Everything here is asynchronous and typed. The messages are those of docs/protocol.md: fields are
added, and none is renamed or taken away within a version of the protocol. docs/library.md has
programs to begin with.
"""

import base64
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bbox_server.bootstrap.composition import Composition
from bbox_server.domain.change import Side
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.gateway import SessionConnection, SessionGateway
from bbox_server.domain.review import Verdict
from bbox_server.domain.session import ENDED, SessionId, SessionState
from bbox_server.domain.workspace import HostPath
from bbox_server.wire.event import EventMessage
from bbox_server.wire.frame import JsonObject
from bbox_server.wire.review import ChangeMessage, FlushMessage, HunkMessage, PlanMessage
from bbox_server.wire.review_request import (
    ChangesPage,
    DecisionMessage,
    FileContent,
    FlushApplyParams,
)
from bbox_server.wire.run import (
    AgentMessage,
    RunOptions,
    RunParams,
    ServiceMessage,
    agents_message,
)
from bbox_server.wire.session import (
    DoctorMessage,
    SessionMessage,
    doctor_message,
    session_message,
)
from bbox_server.wire.workspace_uri import file_uri

__all__ = [
    "AgentMessage",
    "Bbox",
    "BboxError",
    "ChangeMessage",
    "DecisionMessage",
    "DoctorMessage",
    "ErrorCode",
    "EventMessage",
    "FlushMessage",
    "HunkMessage",
    "PlanMessage",
    "RunOptions",
    "ServiceMessage",
    "Session",
    "SessionMessage",
    "Side",
    "Verdict",
]


AT_REST = ENDED | {SessionState.REVIEWING}


class Session:
    """Methods raise BboxError with a code of docs/errors.md."""

    def __init__(
        self, gateway: SessionGateway, connection: SessionConnection, session: SessionId
    ) -> None:
        self._gateway = gateway
        self._connection = connection
        self._revision = 0
        self.id = session

    async def summary(self) -> SessionMessage:
        """The session as it is now."""
        answer = await self._ask("bbox/sessions/get")
        return SessionMessage.model_validate(answer, extra="ignore")

    async def events(self, from_seq: int = 1) -> AsyncIterator[EventMessage]:
        """What happens, from the beginning, until the agent has ended.

        Not reading holds nothing back but this reader.
        """
        async with self._gateway.connect(self.id) as connection:
            params = {"session": self.id, "fromSeq": from_seq}
            await connection.request("bbox/subscribe", params)
            async for notice in connection.notices():
                if notice.method != "bbox/event":
                    continue
                event = EventMessage.model_validate(notice.params, extra="ignore")
                yield event
                if event.fields.get("state") in AT_REST:
                    return

    async def output(self, from_byte: int = 0) -> AsyncIterator[bytes]:
        """What the agent prints, from the beginning, until it has ended."""
        async with self._gateway.connect(self.id) as connection:
            opened = await connection.request(
                "bbox/terminal/open", {"session": self.id, "fromByte": from_byte}
            )
            view = {"session": self.id, "terminal": opened["terminal"]}
            async for notice in connection.notices():
                if notice.method == "bbox/terminal/ended":
                    return
                if notice.method == "bbox/terminal/data":
                    data = base64.b64decode(str(notice.params["data"]))
                    yield data
                    end = int(str(notice.params["fromByte"])) + len(data)
                    await connection.request("bbox/terminal/ack", {**view, "byte": end})

    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Input for the agent; `end` closes it."""
        opened = await self._ask("bbox/terminal/open")
        view: JsonObject = {"terminal": opened["terminal"]}
        encoded = base64.b64encode(data).decode()
        await self._ask("bbox/terminal/input", {**view, "data": encoded, "end": end})
        await self._ask("bbox/terminal/close", view)

    async def wait(self) -> SessionMessage:
        """Until the agent has ended; how it ended, and why it failed if it did."""
        async for _ in self.events():
            pass
        return await self.summary()

    async def stop(self, *, now: bool = False) -> SessionMessage:
        """End the agent and its microVM; the changes stay."""
        answer = await self._ask("bbox/sessions/stop", {"mode": "now" if now else "graceful"})
        return SessionMessage.model_validate(answer, extra="ignore")

    async def changes(self) -> tuple[ChangeMessage, ...]:
        """What differs from the snapshot now, with hunks; also while the agent works."""
        found: dict[str, ChangeMessage] = {}
        params: JsonObject = {"withHunks": True}
        while True:
            answer = await self._ask("bbox/changes/list", params)
            page = ChangesPage.model_validate(answer, extra="ignore")
            # While pages are read the list may move on, and one change may be on two of them.
            found |= {change.id: change for change in page.changes}
            self._revision = page.revision
            if page.next_cursor is None:
                return tuple(found.values())
            params = {**params, "cursor": page.next_cursor}

    async def read(self, path: str, side: Side = Side.AGENT) -> bytes:
        """A changed file's content: the agent's, or what it was before (`Side.BASELINE`)."""
        answer = await self._ask("bbox/file/read", {"side": side.value, "path": path})
        return base64.b64decode(FileContent.model_validate(answer, extra="ignore").data)

    async def decide(
        self, decisions: Iterable[DecisionMessage], *, confirmed: Iterable[str] = ()
    ) -> None:
        """Set verdicts on what `changes` told last: all of them, or none.

        Args:
            decisions: Each on a change, or on one of its hunks.
            confirmed: Paths of build files that somebody was shown, where several changes are
                accepted at once. What runs on this machine by itself is accepted alone, always.

        Raises: review.stale where the agent went on; review.invalid.
        """
        params: JsonObject = {
            "revision": self._revision,
            "decisions": [decision.to_object() for decision in decisions],
            "confirmed": list(confirmed),
        }
        await self._ask("bbox/review/decide", params)

    async def accept(self, change: ChangeMessage) -> None:
        """Accept a change as a whole."""
        await self.decide([DecisionMessage(change=change.id, verdict=Verdict.ACCEPTED)])

    async def reject(self, change: ChangeMessage) -> None:
        """Reject a change as a whole."""
        await self.decide([DecisionMessage(change=change.id, verdict=Verdict.REJECTED)])

    async def plan(self) -> PlanMessage:
        """What `apply` would write now, and what it could not."""
        answer = await self._ask("bbox/flush/plan")
        return PlanMessage.model_validate(answer, extra="ignore")

    async def apply(self, plan: PlanMessage | None = None) -> FlushMessage:
        """Write what is accepted into the workspace: that plan, or what there is now.

        Raises: flush.stale where the workspace is another one than the plan's.
        """
        shown = plan or await self.plan()
        params = FlushApplyParams(session=self.id, plan_hash=shown.plan_hash)
        answer = await self._ask("bbox/flush/apply", params.to_object())
        return FlushMessage.model_validate(answer, extra="ignore")

    async def undo(self, flush: int | None = None) -> FlushMessage:
        """Take a flush back, the last one if none is named."""
        params: JsonObject = {} if flush is None else {"flush": flush}
        return FlushMessage.model_validate(
            await self._ask("bbox/flush/undo", params), extra="ignore"
        )

    async def discard(self) -> None:
        """Throw the session and its changes away."""
        await self._ask("bbox/sessions/discard")

    async def _ask(self, method: str, params: JsonObject | None = None) -> JsonObject:
        return await self._connection.request(method, {**(params or {}), "session": self.id})


DEFAULTS = RunOptions()


class Bbox:
    """Runs agents and finds sessions.

    Each session lives in a process of its own: it goes on when this program ends, and every other
    program of the user's sees it, editors and the command line too.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Use an environment: for directories (XDG), keys of providers, and what is forwarded."""
        self._composition = Composition(environ=dict(os.environ if environ is None else environ))
        self._gateway = self._composition.gateway()

    async def doctor(self) -> DoctorMessage:
        """What is missing on this machine."""
        return doctor_message(await self._composition.diagnose()())

    async def agents(self) -> tuple[AgentMessage, ...]:
        """The agents, built in and the user's own. Raises: config.invalid."""
        services = self._composition.lsp_services("sdk")
        present = {ref for image in await services.images().list() for ref in image.references}
        return agents_message(services.agents(), present).agents

    async def sessions(self, workspace: Path | None = None) -> tuple[SessionMessage, ...]:
        """Sessions that run or wait for a review, newest first; of one workspace, or of all."""
        root = None if workspace is None else _resolved(workspace)
        return tuple(
            session_message(record)
            for record in self._composition.adapters.sessions.list()
            if record.state not in ENDED and root in {None, record.workspace}
        )

    @asynccontextmanager
    async def run(  # noqa: PLR0913 (each is a thing that callers say)
        self,
        workspace: Path,
        *,
        agent: str | None = None,
        image: str | None = None,
        args: Sequence[str] = (),
        options: RunOptions = DEFAULTS,
        stdin: bytes | None = b"",
    ) -> AsyncIterator[Session]:
        """Start an agent, or a command in any image, on a snapshot of a directory.

        Leaving the context leaves the session alone: stop or discard it if it is not to go on.

        Args:
            workspace: Nothing in it changes before `Session.apply`.
            agent: A name; or give an image.
            image: NAME:TAG, oci:DIRECTORY or docker-archive:FILE.
            args: The agent's arguments; of an image the command.
            options: What is left out is the agent's default, or the user's config.
            stdin: All of its input; None leaves it open for `Session.write`.

        Raises:
            BboxError: cli.usage, workspace.invalid, and all that a run can fail with before it is
                a session; later failures are events, and `Session.wait` tells them.
        """
        params = RunParams(
            workspace_uri=file_uri(_resolved(workspace)),
            agent=agent,
            image=image,
            args=tuple(args),
            options=options,
        )
        async with self._gateway.start() as connection:
            answer = await connection.request("bbox/run", params.to_object())
            summary = SessionMessage.model_validate(answer, extra="ignore")
            session = Session(self._gateway, connection, SessionId(summary.id))
            if stdin is not None:
                await session.write(stdin, end=True)
            yield session

    @asynccontextmanager
    async def session(self, session: str) -> AsyncIterator[Session]:
        """A session that there is already.

        Raises: session.unknown, session.busy, session.host-failed.
        """
        async with self._gateway.connect(SessionId(session)) as connection:
            yield Session(self._gateway, connection, SessionId(session))


def _resolved(workspace: Path) -> HostPath:
    return HostPath(str(workspace.resolve()))
