# SPDX-License-Identifier: Apache-2.0
"""What the composition root hands to a session's host."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from bbox_server.application.open_review import OpenReview, ReviewParts
from bbox_server.application.run_agent import RunAgent
from bbox_server.application.steer_network import SteerNetwork
from bbox_server.domain.progress import ProgressObserver
from bbox_server.domain.session import (
    SessionDirectories,
    SessionEvent,
    SessionId,
    SessionObserver,
    SessionRecord,
    SessionStore,
)
from bbox_server.domain.terminal import UserTerminal
from bbox_server.entrypoints.session_host.terminal import Read


@dataclass(frozen=True, slots=True, kw_only=True)
class HostServices:
    """Use cases and ports of one session.

    Attributes:
        events: Its events up to now, oldest first.
        observer: The one writer of its events, once there is a directory for them.
        announce_to: Who is told of each event after it is on disk.
        terminal_record: What the terminal showed, and where that ends.
        ending: Entered when the host wants to go: nobody can connect while it is held.
        leave: Called in there when it goes.
    """

    session: SessionId
    version: str
    environ: Mapping[str, str] = field(repr=False)
    sessions: SessionStore
    directories: SessionDirectories
    events: Callable[[], Iterable[SessionEvent]]
    observer: Callable[[], SessionObserver]
    announce_to: Callable[[Callable[[SessionEvent], None]], None]
    terminal_record: tuple[Read, Callable[[], int]]
    network: SteerNetwork
    run: Callable[[UserTerminal, ProgressObserver], RunAgent]
    review: Callable[[], OpenReview]
    review_parts: Callable[[SessionRecord, SessionDirectories], ReviewParts]
    ending: Callable[[], AbstractAsyncContextManager[None]]
    leave: Callable[[], None]
