# SPDX-License-Identifier: Apache-2.0
"""Commits as `git cat-file --batch` and `git diff-tree --stdin -z` print them.

Everything between the lines that git makes is the guest's: lengths and the order of what was asked
say where a commit begins, never a mark that could stand in a message or in a name.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.commit import FILE_LIMIT, AgentCommit, CommitFile, CommitId
from bbox_server.domain.error import BboxError, ErrorCode

TEXT_LIMIT: Final = 500
"""Characters of a subject or a name that are kept."""

_AUTHOR: Final = re.compile(
    rb"author (?P<name>[^<>\n]*)<(?P<email>[^<>\n]*)> ?(?P<at>[0-9]{1,15})?"
)

Files = Mapping[CommitId, tuple[tuple[CommitFile, ...], int]]


def read_commits(ids: Sequence[CommitId], batch: bytes, files: Files) -> tuple[AgentCommit, ...]:
    """The commits of what `cat-file --batch` printed. Raises: git.failed."""
    found = []
    position = 0
    for one in ids:
        end = batch.find(b"\n", position)
        name, _, rest = batch[position : max(end, position)].partition(b" ")
        kind, _, size = rest.partition(b" ")
        if name.decode("ascii", "replace") != one or kind != b"commit" or not size.isdigit():
            raise _unreadable(one)
        content = batch[end + 1 : end + 1 + int(size)]
        position = end + 1 + int(size) + 1
        found.append(_commit(one, content, files.get(one, ((), 0))))
    return tuple(found)


def read_files(ids: Sequence[CommitId], listed: bytes) -> Files:
    """What each commit touches. Raises: git.failed."""
    tokens = listed.split(b"\0")[:-1]
    found: dict[CommitId, tuple[tuple[CommitFile, ...], int]] = {}
    waiting = list(reversed(ids))
    current: CommitId | None = None
    files: list[CommitFile] = []
    count = 0
    position = 0
    while position < len(tokens):
        token = tokens[position].decode("ascii", "replace")
        if token in waiting:
            if current is not None:
                found[current] = (tuple(files), count)
            # Merges print nothing, not even themselves.
            while waiting.pop() != token:
                pass
            current, files, count = CommitId(token), [], 0
            position += 1
            continue
        if current is None or len(token) != 1 or position + 1 >= len(tokens):
            raise _unreadable(current or CommitId("the first one"))
        count += 1
        if len(files) < FILE_LIMIT:
            path = PurePosixPath(os.fsdecode(tokens[position + 1]))
            files.append(CommitFile(status=token, path=path))
        position += 2
    if current is not None:
        found[current] = (tuple(files), count)
    return found


def _commit(
    one: CommitId, content: bytes, files: tuple[tuple[CommitFile, ...], int]
) -> AgentCommit:
    head, _, message = content.partition(b"\n\n")
    author = next(filter(None, map(_AUTHOR.match, head.split(b"\n"))), None)
    return AgentCommit(
        id=one,
        subject=_text(message.lstrip(b"\n").partition(b"\n")[0]),
        author=_text(author["name"]) if author else "",
        email=_text(author["email"]) if author else "",
        at=int(author["at"] or 0) if author else 0,
        files=files[0],
        file_count=files[1],
    )


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace").strip()[:TEXT_LIMIT]


def _unreadable(one: CommitId) -> BboxError:
    return BboxError(
        ErrorCode.GIT_FAILED,
        cause=f"git's account of commit {one} can't be read.",
        remediation="Take the files; commit them yourself.",
    )
