# SPDX-License-Identifier: Apache-2.0
"""How the records of a flush are written down."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, TypeVar

from bbox_server.domain.change import ChangeId
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.flush import FlushId, FlushKind, PathResult, ResultKind
from bbox_server.domain.plan import (
    FLUSH_PREFIX,
    Operation,
    OperationKind,
    Present,
    PresentKind,
)
from bbox_server.domain.workspace import Digest

_T = TypeVar("_T")

_VERSION: Final = 1

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What a flush is going to do; written before anything is done.

    Attributes:
        undoes: The flush that this one takes back.
    """

    kind: FlushKind
    operations: tuple[Operation, ...]
    undoes: FlushId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A complete staged file or link: where, counted in components of the path, and which."""

    depth: int
    device: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The point of no return: everything staged is on the disk.

    Attributes:
        staged: By the operation's index.
        failed: Operations that could not be staged, and why.
    """

    staged: Mapping[int, Staged]
    failed: Mapping[int, str]


def encode_intent(intent: Intent) -> bytes:
    """An intent as JSON."""
    return _dump(
        {
            "version": _VERSION,
            "kind": intent.kind,
            "undoes": intent.undoes,
            "operations": [_operation_to_json(operation) for operation in intent.operations],
        }
    )


def decode_intent(content: bytes) -> Intent:
    """An intent from JSON. Raises: flush.journal-corrupt."""
    record = _load(content)
    undoes = record.get("undoes")
    _checked(lambda: _check_version(record))
    return _checked(
        lambda: Intent(
            kind=FlushKind(_text(record, "kind")),
            operations=tuple(_operation(item) for item in _list(record, "operations")),
            undoes=None if undoes is None else FlushId(_number(record, "undoes")),
        )
    )


def encode_commit(commit: Commit) -> bytes:
    """A commit record as JSON."""
    staged = {
        str(index): [where.depth, where.device, where.inode]
        for index, where in commit.staged.items()
    }
    failed = {str(index): detail for index, detail in commit.failed.items()}
    return _dump({"version": _VERSION, "staged": staged, "failed": failed})


def decode_commit(content: bytes) -> Commit:
    """A commit record from JSON. Raises: flush.journal-corrupt."""
    record = _load(content)
    return _checked(
        lambda: Commit(
            staged={int(key): _staged(value) for key, value in _map(record, "staged").items()},
            failed={int(key): str(value) for key, value in _map(record, "failed").items()},
        )
    )


def encode_outcome(index: int, result: PathResult) -> bytes:
    """One line of the log of outcomes. It begins one, too: the last line before may be torn."""
    line = _dump({"index": index, "result": result.result, "detail": result.detail})
    return b"\n" + line + b"\n"


def decode_outcomes(content: bytes, operations: Sequence[Operation]) -> dict[int, PathResult]:
    """The log of outcomes; a torn line is as if it had not been written."""
    outcomes: dict[int, PathResult] = {}
    for line in content.split(b"\n"):
        with suppress(ValueError, TypeError, LookupError, RecursionError):
            index, result = _outcome(_object(json.loads(line)), operations)
            outcomes[index] = result
    return outcomes


def result_of(operation: Operation, result: ResultKind, detail: str = "") -> PathResult:
    """An operation's outcome."""
    return PathResult(
        change=operation.change,
        path=operation.path,
        operation=operation.kind,
        result=result,
        detail=detail,
    )


def _outcome(record: Json, operations: Sequence[Operation]) -> tuple[int, PathResult]:
    index = _number(record, "index")
    kind = ResultKind(_text(record, "result"))
    return index, result_of(operations[index], kind, _text(record, "detail"))


def _operation_to_json(operation: Operation) -> Json:
    expected = operation.expected
    return {
        "change": operation.change,
        "path": str(operation.path),
        "kind": operation.kind,
        "expected": {
            "kind": expected.kind,
            "mode": expected.mode,
            "digest": expected.digest,
            "linkTarget": expected.link_target,
        },
        "content": operation.content,
        "linkTarget": operation.link_target,
        "mode": operation.mode,
        "merged": operation.merged,
        "needs": operation.needs,
    }


def _operation(value: object) -> Operation:
    record = _object(value)
    expected = _map(record, "expected")
    content, digest = _maybe_text(record, "content"), _maybe_text(expected, "digest")
    return Operation(
        change=ChangeId(_text(record, "change")),
        path=PurePosixPath(_text(record, "path")),
        kind=OperationKind(_text(record, "kind")),
        expected=Present(
            kind=PresentKind(_text(expected, "kind")),
            mode=_number(expected, "mode"),
            digest=None if digest is None else Digest(digest),
            link_target=_maybe_text(expected, "linkTarget"),
        ),
        content=None if content is None else Digest(content),
        link_target=_maybe_text(record, "linkTarget"),
        mode=None if record.get("mode") is None else _number(record, "mode"),
        merged=record.get("merged") is True,
        needs=None if record.get("needs") is None else _number(record, "needs"),
    )


def _staged(value: object) -> Staged:
    match value:
        case [int(depth), int(device), int(inode)]:
            return Staged(depth=depth, device=device, inode=inode)
        case _:
            msg = f"not a staged file: {value!r}"
            raise TypeError(msg)


def _dump(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def _load(content: bytes) -> Json:
    return _checked(lambda: _object(json.loads(content)))


def _checked(decode: Callable[[], _T]) -> _T:
    try:
        return decode()
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BboxError(
            ErrorCode.FLUSH_JOURNAL_CORRUPT,
            cause=f"A record of the flush can't be read: {error}",
            remediation=(
                "Nothing was changed by this. Move the session's flush directory away; files "
                f"that begin with {FLUSH_PREFIX} in the workspace belong to it."
            ),
        ) from error


def _check_version(record: Json) -> None:
    if _number(record, "version") != _VERSION:
        msg = f"version {record['version']} is not known"
        raise ValueError(msg)


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        msg = f"not an object: {value!r}"
        raise TypeError(msg)
    return value


def _map(record: Json, key: str) -> Json:
    return _object(record[key])


def _list(record: Json, key: str) -> list[object]:
    value = record[key]
    if not isinstance(value, list):
        msg = f"{key} is not a list"
        raise TypeError(msg)
    return value


def _text(record: Json, key: str) -> str:
    value = record[key]
    if not isinstance(value, str):
        msg = f"{key} is not a string"
        raise TypeError(msg)
    return value


def _maybe_text(record: Json, key: str) -> str | None:
    return None if record.get(key) is None else _text(record, key)


def _number(record: Json, key: str) -> int:
    value = record[key]
    if not isinstance(value, int) or isinstance(value, bool):
        msg = f"{key} is not a number"
        raise TypeError(msg)
    return value
