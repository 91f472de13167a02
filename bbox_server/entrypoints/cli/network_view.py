# SPDX-License-Identifier: Apache-2.0
"""What the guest's network did, in lines."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bbox_server.domain.egress.event import BlockReason
from bbox_server.domain.escape import escape_text
from bbox_server.domain.session import EventKind, EventValue, SessionEvent

NETWORK: Final = {
    EventKind.NETWORK_BLOCKED: "blocked",
    EventKind.NETWORK_OPEN: "open",
    EventKind.NETWORK_CLOSE: "closed",
    EventKind.NETWORK_ASK: "asked",
    EventKind.NETWORK_ANSWERED: "answered",
}
# What a rule would change.
ALLOWABLE: Final = frozenset(
    {
        BlockReason.HOST_NOT_IN_PROFILE.value,
        BlockReason.PORT_NOT_ALLOWED.value,
        BlockReason.DENIED_BY_USER.value,
    }
)
MAX_SHOWN: Final = 20
Fields = Mapping[str, EventValue]


def endpoint(fields: Fields) -> str:
    """Name and port; an address where there is no name. The guest's words, escaped."""
    name = fields.get("host") or fields.get("address") or "?"
    return f"{escape_text(str(name))}:{fields.get('port')}"


def blocked_line(fields: Fields) -> str:
    """A name that was blocked, for someone who works on something else."""
    reason = escape_text(str(fields.get("reason") or "flood"))
    return f"network: blocked {endpoint(fields)} ({reason})"


def log_lines(events: Iterable[SessionEvent]) -> Iterator[str]:
    """All that is known of the network, oldest first."""
    for event in events:
        word = NETWORK.get(event.kind)
        if word is None:
            continue
        at = time.strftime("%H:%M:%S", time.localtime(event.at))
        details = "  ".join(_details(event))
        yield f"{at}  {word:<8}  {endpoint(event.fields)}  {details}".rstrip()


def summary_lines(events: Iterable[SessionEvent]) -> tuple[str, ...]:
    """What was blocked in a session, each name once, and how to allow it; empty without any."""
    counts: dict[str, int] = {}
    allowable: dict[str, None] = {}
    for event in events:
        if event.kind is not EventKind.NETWORK_BLOCKED:
            continue
        name = endpoint(event.fields)
        counts[name] = counts.get(name, 0) + int(event.fields.get("count") or 1)
        if event.fields.get("host") and event.fields.get("reason") in ALLOWABLE:
            allowable[name] = None
    if not counts:
        return ()
    shown = [f"  {name}  {_times(times)}" for name, times in counts.items()][:MAX_SHOWN]
    more = len(counts) - len(shown)
    return (
        "The network blocked:",
        *shown,
        *([f"  and {more} more: bbox network log"] if more else []),
        *([f"Allow with: {_flags(list(allowable))}"] if allowable else []),
    )


def _flags(names: list[str]) -> str:
    flags = " ".join(f"--allow-host {name}" for name in names[:MAX_SHOWN])
    return f"{flags} …" if len(names) > MAX_SHOWN else flags


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _details(event: SessionEvent) -> Iterator[str]:
    for name in ("reason", "answer", "rule"):
        if value := event.fields.get(name):
            yield escape_text(str(value))
    count = event.fields.get("count")
    if event.kind is EventKind.NETWORK_BLOCKED and isinstance(count, int) and count > 1:
        yield f"{count} times"
    if event.kind is EventKind.NETWORK_CLOSE:
        yield f"{event.fields.get('up_bytes')} bytes up, {event.fields.get('down_bytes')} down"
