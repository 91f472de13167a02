# SPDX-License-Identifier: Apache-2.0
"""A review's state as JSON."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.change import ChangeId, Entry, EntryKind, Tier
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId
from bbox_server.domain.rebase import FlushedBase
from bbox_server.domain.review import Edit, FlushedStep, ReviewState, Step, Verdict
from bbox_server.domain.workspace import Digest, WorkspacePath

FORMAT: Final = 1

Json = Mapping[str, object]


def encode_review(state: ReviewState) -> bytes:
    """Write a state; names that are no UTF-8 stay as escaped surrogates."""
    record = {
        "format": FORMAT,
        "verdicts": dict(state.verdicts),
        "edits": {change: _from_edit(edit) for change, edit in state.edits.items()},
        "failures": dict(state.failures),
        "history": [_from_step(step) for step in state.history],
        "bases": {str(path): _from_base(base) for path, base in state.bases.items()},
        "flushes": [_from_flushed(step) for step in state.flushes],
    }
    return json.dumps(record, indent=1).encode("ascii")


def decode_review(content: bytes) -> ReviewState:
    """Read a state. Raises: session.corrupt."""
    try:
        return _state(_object(json.loads(content)))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BboxError(
            ErrorCode.SESSION_CORRUPT,
            cause=f"The review can't be read: {error!r}.",
            remediation="Move review.json of the session away and decide again.",
        ) from error


def _state(record: Json) -> ReviewState:
    if record["format"] != FORMAT:
        message = "an unknown format"
        raise ValueError(message)
    return ReviewState(
        verdicts={key: Verdict(_text(value)) for key, value in _map(record, "verdicts")},
        edits={ChangeId(key): _edit(value) for key, value in _map(record, "edits")},
        failures={ChangeId(key): _text(value) for key, value in _map(record, "failures")},
        history=tuple(_step(value) for value in _list(record, "history")),
        bases={PurePosixPath(key): _base(value) for key, value in _map(record, "bases")},
        flushes=tuple(_flushed(value) for value in _list(record, "flushes")),
    )


def _from_edit(edit: Edit | None) -> Json | None:
    return None if edit is None else {"base": edit.base, "content": edit.content}


def _edit(value: object) -> Edit:
    record = _object(value)
    return Edit(base=Digest(_text(record["base"])), content=Digest(_text(record["content"])))


def _from_step(step: Step) -> Json:
    edits = {change: _from_edit(edit) for change, edit in step.edits.items()}
    return {"verdicts": dict(step.verdicts), "edits": edits}


def _step(value: object) -> Step:
    record = _object(value)
    verdicts = _map(record, "verdicts")
    edits = _map(record, "edits")
    return Step(
        verdicts={key: None if v is None else Verdict(_text(v)) for key, v in verdicts},
        edits={ChangeId(key): None if v is None else _edit(v) for key, v in edits},
    )


def _from_base(base: FlushedBase | None) -> Json | None:
    if base is None:
        return None
    return {
        "original": _from_entry(base.original),
        "accepted": _from_entry(base.accepted),
        "tier": base.tier,
    }


def _base(value: object) -> FlushedBase:
    record = _object(value)
    return FlushedBase(
        original=_entry(record["original"]),
        accepted=_entry(record["accepted"]),
        tier=Tier(_text(record["tier"])),
    )


def _from_flushed(step: FlushedStep) -> Json:
    bases = {str(path): _from_base(base) for path, base in step.bases.items()}
    return {"flush": step.flush, "bases": bases}


def _flushed(value: object) -> FlushedStep:
    record = _object(value)
    bases: dict[WorkspacePath, FlushedBase | None] = {
        PurePosixPath(key): None if base is None else _base(base)
        for key, base in _map(record, "bases")
    }
    return FlushedStep(flush=FlushId(_number(record["flush"])), bases=bases)


def _from_entry(entry: Entry | None) -> Json | None:
    if entry is None:
        return None
    return {
        "kind": entry.kind,
        "mode": entry.mode,
        "size": entry.size,
        "digest": entry.digest,
        "linkTarget": entry.link_target,
    }


def _entry(value: object) -> Entry | None:
    if value is None:
        return None
    record = _object(value)
    digest, target = record["digest"], record["linkTarget"]
    return Entry(
        kind=EntryKind(_text(record["kind"])),
        mode=_number(record["mode"]),
        size=_number(record["size"]),
        digest=None if digest is None else Digest(_text(digest)),
        link_target=None if target is None else _text(target),
    )


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        message = "not an object"
        raise TypeError(message)
    return value


def _map(record: Json, key: str) -> list[tuple[str, object]]:
    return list(_object(record[key]).items())


def _list(record: Json, key: str) -> list[object]:
    value = record[key]
    if not isinstance(value, list):
        message = f"{key} is no list"
        raise TypeError(message)
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        message = "not a text"
        raise TypeError(message)
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        message = "not a number"
        raise TypeError(message)
    return value
