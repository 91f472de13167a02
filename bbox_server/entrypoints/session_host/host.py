# SPDX-License-Identifier: Apache-2.0
"""One session: its run, its review, its end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final, TypeVar

from bbox_server.domain.error import BboxError, ErrorCode, first_error
from bbox_server.domain.run import RunRequest
from bbox_server.domain.session import EventKind, SessionEvent, SessionRecord, SessionState
from bbox_server.domain.terminal import TerminalSize
from bbox_server.entrypoints.session_host.event_hub import EventHub
from bbox_server.entrypoints.session_host.live_review import LiveReview, OpenedReview
from bbox_server.entrypoints.session_host.progress import ProgressEvents
from bbox_server.entrypoints.session_host.services import HostServices
from bbox_server.entrypoints.session_host.terminal import SharedTerminal

_T = TypeVar("_T")

# An agent that was asked to end gets that long, and that long after it was told to.
AGENT_GRACE_S: Final = 5.0
WATCH_PAUSE_S: Final = 0.25
REVIEWED: Final = frozenset({SessionState.REVIEWING, SessionState.DONE, SessionState.FAILED})


class Host:
    """The state of one session, for all of its clients. Its tasks end with `tasks`."""

    def __init__(self, services: HostServices, tasks: asyncio.TaskGroup) -> None:
        self.services = services
        self.hub = EventHub(services.events)
        self.changed = asyncio.Event()
        read, end = services.terminal_record
        self.terminal = SharedTerminal(size=None, read=read, end=end())
        self.terminal.finish()
        self._tasks = tasks
        self._run: asyncio.Task[None] | None = None
        self._state: SessionState | None = None
        self._created: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._live: LiveReview | None = None
        self._review: OpenedReview | None = None
        self._held = AsyncExitStack()
        self._turn = asyncio.Lock()
        loop = asyncio.get_running_loop()

        def announce(event: SessionEvent) -> None:
            loop.call_soon_threadsafe(self._take, event)

        services.announce_to(announce)

    @property
    def is_running(self) -> bool:
        """Whether there is a run that has not ended."""
        return self._run is not None and not self._run.done()

    def record(self) -> SessionRecord:
        """The session as it is on disk. Raises: session.unknown."""
        for record in self.services.sessions.list():
            if record.id == self.services.session:
                return record
        raise BboxError(
            ErrorCode.SESSION_UNKNOWN,
            cause=f"There is no session {self.services.session} any more.",
            remediation="`bbox sessions` lists them.",
        )

    async def run(self, request: RunRequest, size: TerminalSize | None) -> SessionRecord:
        """Start the agent; returns when the session is on disk. Raises: as RunAgent."""
        if self._run is not None or any(self.services.events()):
            raise BboxError(
                ErrorCode.SESSION_STATE,
                cause=f"Session {self.services.session} has had its run.",
                remediation="Start another one.",
            )
        read, _ = self.services.terminal_record
        self.terminal = SharedTerminal(size=size, read=read)
        self._run = self._tasks.create_task(self._running(request))
        await asyncio.shield(self._created)
        return self.record()

    async def stop(self, *, now: bool) -> SessionRecord:
        """End the agent and the microVM; its files stay. Returns when nothing runs any more."""
        run = self._run
        if run is not None and not run.done():
            if not now and self._state is SessionState.RUNNING:
                await self._ask_to_end(run)
            elif not now and self._state is SessionState.STOPPING:
                await asyncio.wait({run})
            run.cancel()
            await asyncio.wait({run})
        return self.record()

    async def discard(self) -> None:
        """Throw the session away, with all that the agent did."""
        await self.stop(now=True)
        async with self._turn:
            await self._let_go()
            await self.services.review().discard(self.services.session)

    @asynccontextmanager
    async def review(self) -> AsyncIterator[OpenedReview]:
        """The review, for one client at a time. Raises: as OpenReview."""
        async with self._turn:
            yield await self._opened()

    async def whole(self, work: Coroutine[object, object, _T]) -> _T:
        """Do something to its end, also when the client that wants it has left."""
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        async def act() -> None:
            try:
                done.set_result(await work)
            except Exception as error:  # noqa: BLE001 (raised again where it is waited for)
                done.set_exception(error)
                done.exception()  # looked at, also where nobody waits any more

        self._tasks.create_task(act())
        return await asyncio.shield(done)

    async def close(self) -> None:
        """Let go of the session, once nothing is done to it."""
        async with self._turn:
            await self._let_go()

    async def _let_go(self) -> None:
        self._review = None
        await self._held.aclose()

    async def _opened(self) -> OpenedReview:
        if self._run is not None and self._state in REVIEWED:
            await asyncio.wait({self._run})
        if self.is_running:
            return self._live_review()
        if self._review is None:
            opened = self.services.review()(self.services.session)
            self._review = await self._held.enter_async_context(opened)
        return self._review

    def _live_review(self) -> LiveReview:
        if self._live is None:
            record = self.record()
            if record.generation is None:
                raise BboxError(
                    ErrorCode.SESSION_STATE,
                    cause=f"The snapshot of session {record.id} is not taken yet.",
                    remediation="Wait until the agent runs.",
                )
            parts = self.services.review_parts(record, self.services.directories)
            self._live = LiveReview(parts=parts)
        return self._live

    async def _running(self, request: RunRequest) -> None:
        progress = ProgressEvents(observer=self.services.observer)
        try:
            await self.services.run(self.terminal, progress)(request)
        except (BboxError, ExceptionGroup) as error:
            # It is in the record already, but for one that was too early to have any.
            found = error if isinstance(error, BboxError) else first_error(error)
            if found is None:
                raise
            self._fail_early(found)
        finally:
            self.terminal.finish()
            self._fail_early(_never_created())
            self.changed.set()

    def _fail_early(self, error: BboxError) -> None:
        if not self._created.done():
            self._created.set_exception(error)
            self._created.exception()  # looked at, also where nobody waits for it

    async def _ask_to_end(self, run: asyncio.Task[None]) -> None:
        for signal in ("HUP", "TERM", "KILL"):
            self.terminal.ask(signal)
            with suppress(TimeoutError):
                async with asyncio.timeout(AGENT_GRACE_S):
                    await self.terminal.ended.wait()
            if self.terminal.ended.is_set():
                await asyncio.wait({run})
                return

    def _take(self, event: SessionEvent) -> None:
        self.hub.keep(event)
        if not self._created.done():
            self._created.set_result(None)
        if event.kind is EventKind.STATE:
            self._state = SessionState(str(event.fields.get("state")))
            if self._state is SessionState.RUNNING and self.is_running:
                self._tasks.create_task(self._watch())

    async def _watch(self) -> None:
        """Tell that something changed, a few times a second at most, while the agent works."""
        assert self._run is not None  # noqa: S101 (a state is RUNNING only in a run)
        watching = self._tasks.create_task(self._watch_overlay())
        await asyncio.wait({self._run})
        watching.cancel()

    async def _watch_overlay(self) -> None:
        if self.record().generation is None:
            return  # direct mode: nothing waits for review
        overlay = self._live_review().parts.changes.overlay
        async for _ in overlay.watch():
            self.services.observer().event(EventKind.CHANGES, {})
            await asyncio.sleep(WATCH_PAUSE_S)


def _never_created() -> BboxError:
    return BboxError(
        ErrorCode.SESSION_STATE,
        cause="The run was stopped before it began.",
        remediation="Start it again.",
    )
