# SPDX-License-Identifier: Apache-2.0
"""A session's record as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Final

from bbox_server.domain.error import BboxError, ErrorCode, Retry
from bbox_server.domain.session import (
    AfterRun,
    ExitStatus,
    Failure,
    SessionId,
    SessionRecord,
    SessionState,
)
from bbox_server.domain.workspace import HostPath

FORMAT: Final = 1


def encode(record: SessionRecord) -> bytes:
    """Write a record; `held` is a fact of the moment and stays out."""
    fields = dataclasses.asdict(record)
    del fields["held"]
    return json.dumps({"format": FORMAT, **fields}, indent=1).encode()


def decode(content: bytes, name: str) -> SessionRecord:
    """Read a record. Raises: session.corrupt, naming the session."""
    try:
        fields = json.loads(content)
        return _record(fields)
    except (KeyError, TypeError, ValueError) as error:
        raise BboxError(
            ErrorCode.SESSION_CORRUPT,
            cause=f"The record of session {name} can't be read: {error!r}.",
            remediation=f"The agent's files are still in its directory; copy what you need from "
            f"`upper/u` there, then run `bbox discard --force {name}`.",
        ) from error


def _record(fields: Mapping[str, object]) -> SessionRecord:
    command = fields["command"]
    created_at = fields["created_at"]
    if not isinstance(command, list) or not isinstance(created_at, int | float):
        message = "a field has the wrong type"
        raise TypeError(message)
    return SessionRecord(
        id=SessionId(_text(fields, "id")),
        state=SessionState(_text(fields, "state")),
        agent=_text(fields, "agent"),
        workspace=HostPath(_text(fields, "workspace")),
        command=tuple(str(word) for word in command),
        image=_text(fields, "image"),
        created_at=float(created_at),
        generation=None
        if fields.get("generation") is None
        else HostPath(_text(fields, "generation")),
        exit=_exit(fields.get("exit")),
        failure=_failure(fields.get("failure")),
        after=AfterRun(_optional_text(fields, "after") or AfterRun.ASK),
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields[name]
    if not isinstance(value, str):
        message = f"{name} is no text"
        raise TypeError(message)
    return value


def _optional_text(fields: Mapping[str, object], name: str) -> str | None:
    return None if fields.get(name) is None else _text(fields, name)


def _exit(value: object) -> ExitStatus | None:
    if not isinstance(value, dict):
        return None
    code = value["code"]
    return ExitStatus(
        code=code if isinstance(code, int) else None,
        signal=_optional_text(value, "signal"),
        out_of_memory=bool(value["out_of_memory"]),
    )


def _failure(value: object) -> Failure | None:
    if not isinstance(value, dict):
        return None
    return Failure(
        code=_text(value, "code"),
        message=_text(value, "message"),
        cause=_text(value, "cause"),
        remediation=_text(value, "remediation"),
        retry=Retry(_text(value, "retry")),
    )
