# SPDX-License-Identifier: Apache-2.0
"""What the relay tells the session host: JSON lines on its standard output."""

import json
import os
from dataclasses import dataclass
from typing import Any, Final

from bbox_server.domain.egress.event import (
    BlockReason,
    CloseReason,
    EgressEvent,
    EgressEventKind,
    Transport,
)
from bbox_server.infra.process.printable import printable

VERSION: Final = 1
_MAX_LINE: Final = 4096
"""PIPE_BUF: a line goes into the pipe as a whole or not at all (pipe(7))."""
_MAX_TEXT: Final = 253

_INTEGERS: Final = {
    "id": "id",
    "port": "port",
    "count": "count",
    "flow": "flow",
    "up": "up_bytes",
    "down": "down_bytes",
    "ms": "elapsed_ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A line that is no event: ready, updated or failed."""

    kind: str
    cause: str = ""


class LineError(Exception):
    """A line that no relay of ours writes."""


def encode_event(event: EgressEvent) -> bytes:
    """An event as egress.md writes it, without session and profile, which the reader knows."""
    values = {
        "v": VERSION,
        "id": event.id,
        "ts": round(event.at, 3),
        "ev": event.kind.value,
        "host": event.host,
        "ip": event.address,
        "port": event.port,
        "proto": event.transport.value,
        "reason": event.reason.value if event.reason else None,
        "sni": event.sni,
        "rule": event.rule,
        "count": event.count,
        "first_ts": round(event.first_at, 3),
        "flow": event.flow,
        "real_ip": event.real_address,
        "up": event.up_bytes,
        "down": event.down_bytes,
        "ms": event.elapsed_ms,
        "close": event.close.value if event.close else None,
    }
    return json.dumps(values, separators=(",", ":")).encode() + b"\n"


def encode_notice(notice: Notice) -> bytes:
    """A line about the relay itself."""
    return json.dumps({"relay": notice.kind, "cause": notice.cause}).encode() + b"\n"


def decode_line(line: bytes) -> EgressEvent | Notice:
    """Read a line of the relay's.

    Raises:
        LineError: It is none.
    """
    try:
        return _decode(json.loads(line))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise LineError(line[:80]) from error


class Reporter:
    """Writes lines to a pipe without ever waiting; what doesn't fit is dropped."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def event(self, event: EgressEvent) -> None:
        """Tell of an event."""
        self._write(encode_event(event))

    def notice(self, notice: Notice) -> None:
        """Tell of the relay itself."""
        self._write(encode_notice(notice))

    def _write(self, line: bytes) -> None:
        if len(line) <= _MAX_LINE:
            try:
                os.write(self._fd, line)
            except OSError:
                # Full: the numbers of the events show the gap. Closed: standard input ends too.
                return


def _decode(values: Any) -> EgressEvent | Notice:  # noqa: ANN401 - json.loads; misfits raise
    if "relay" in values:
        return Notice(kind=_text(values["relay"]), cause=_text(values.get("cause", "")))
    numbers = {name: int(values[key]) for key, name in _INTEGERS.items()}
    return EgressEvent(
        at=float(values["ts"]),
        kind=EgressEventKind(values["ev"]),
        host=_optional(values["host"]),
        address=_text(values["ip"]),
        transport=Transport(values["proto"]),
        reason=BlockReason(values["reason"]) if values["reason"] else None,
        sni=_optional(values["sni"]),
        rule=_text(values["rule"]),
        first_at=float(values["first_ts"]),
        real_address=_text(values["real_ip"]),
        close=CloseReason(values["close"]) if values["close"] else None,
        **numbers,
    )


def _text(value: object) -> str:
    # Whoever reads must not have to trust the process that talks to the guest.
    return printable(str(value), _MAX_TEXT)


def _optional(value: object) -> str | None:
    return None if value is None else _text(value)
