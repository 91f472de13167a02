# SPDX-License-Identifier: Apache-2.0
"""A small workspace with one of everything that a flush can do, and what it shall become."""

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from typing_extensions import override

from bbox_server.domain.change import ChangeId, Entry, EntryKind
from bbox_server.domain.flush import ContentSource, FlushId, FlushReport
from bbox_server.domain.plan import FlushPlan, Operation, Wanted, paths_to_observe
from bbox_server.domain.planning import plan_flush
from bbox_server.domain.session import SessionId
from bbox_server.domain.workspace import Digest, HostPath
from bbox_server.infra.workspace.flush_steps import Faults
from bbox_server.infra.workspace.flusher import DiskFlusher
from bbox_server.infra.workspace.present import DiskWorkspace

State = dict[str, tuple[object, ...]]

DIRECTORY = Entry(kind=EntryKind.DIRECTORY, mode=0o755, size=0)


def digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())


def file(content: bytes, mode: int = 0o644) -> Entry:
    return Entry(kind=EntryKind.FILE, mode=mode, size=len(content), digest=digest(content))


def link(target: str) -> Entry:
    return Entry(kind=EntryKind.SYMLINK, mode=0o777, size=len(target), link_target=target)


def wanted(path: str, base: Entry | None, result: Entry | None, needs: str | None = None) -> Wanted:
    return Wanted(
        change=ChangeId(path),
        path=PurePosixPath(path),
        base=base,
        result=result,
        needs=None if needs is None else PurePosixPath(needs),
    )


@dataclass(kw_only=True)
class Contents(ContentSource):
    """Contents by their digest."""

    by_digest: dict[Digest, bytes] = field(default_factory=dict)

    def add(self, content: bytes, mode: int = 0o644) -> Entry:
        self.by_digest[digest(content)] = content
        return file(content, mode)

    @override
    async def read(self, operation: Operation) -> bytes:
        assert operation.content is not None
        return self.by_digest[operation.content]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A workspace and a session's directory, which may be on different file systems."""

    workspace: Path
    session: Path
    name: str = "00c0ffee"

    def flusher(self, faults: Faults | None = None) -> DiskFlusher:
        return DiskFlusher(
            workspace=HostPath(str(self.workspace)),
            journals=HostPath(str(self.session / "flush")),
            lock=HostPath(str(self.session / "lock")),
            session=SessionId(self.name),
            faults=faults,
        )

    async def plan(self, items: tuple[Wanted, ...]) -> FlushPlan:
        files = DiskWorkspace(workspace=HostPath(str(self.workspace)))
        return plan_flush(items, await files.observe(sorted(paths_to_observe(items))), {})

    async def flush(
        self, items: tuple[Wanted, ...], contents: Contents, faults: Faults | None = None
    ) -> FlushReport:
        flusher = self.flusher(faults)
        async with flusher.lock():
            return await flusher.apply(await self.plan(items), contents)

    async def recover(self, faults: Faults | None = None) -> tuple[FlushReport, ...]:
        flusher = self.flusher(faults)
        async with flusher.lock():
            return await flusher.recover()

    async def undo(self, flush: int, faults: Faults | None = None) -> FlushReport:
        flusher = self.flusher(faults)
        async with flusher.lock():
            return await flusher.undo(FlushId(flush))


def state_of(root: Path) -> State:
    """Everything below a directory that a user could notice, beside times."""
    found: State = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        owner = (status.st_uid, status.st_gid)
        name = str(path.relative_to(root))
        if stat.S_ISLNK(status.st_mode):
            found[name] = ("link", str(path.readlink()), owner)
        elif stat.S_ISDIR(status.st_mode):
            found[name] = ("directory", stat.S_IMODE(status.st_mode), owner)
        else:
            attributes = tuple((key, os.getxattr(path, key)) for key in sorted(os.listxattr(path)))
            mode = stat.S_IMODE(status.st_mode)
            found[name] = ("file", path.read_bytes(), mode, owner, attributes)
    return found


def lay_out(root: Path) -> None:
    """The workspace before the flush."""
    (root / "d/sub").mkdir(parents=True)
    (root / "becomes-file").mkdir()
    contents: Mapping[str, bytes] = {
        "d/plain": b"old\n",
        "d/tool": b"#!/bin/sh\nold\n",
        "d/sub/deep": b"deep\n",
        "d/mode": b"mode only\n",
        "deleted": b"deleted\n",
        "renamed-from": b"moves\n",
        "becomes-directory": b"was a file\n",
        "becomes-file/inner": b"inner\n",
        "untouched": b"untouched\n",
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
    (root / "d/tool").chmod(0o750)
    os.setxattr(root / "d/plain", "user.kept", b"yes")
    (root / "link").symlink_to("untouched")


def everything(contents: Contents) -> tuple[Wanted, ...]:
    """A flush with every kind of operation."""
    add = contents.add
    return (
        wanted("d/plain", file(b"old\n"), add(b"new\n" * 2000)),
        wanted("d/tool", file(b"#!/bin/sh\nold\n", 0o755), add(b"#!/bin/sh\nnew\n", 0o755)),
        wanted("d/mode", file(b"mode only\n"), file(b"mode only\n", 0o755)),
        wanted("d/sub/deep", file(b"deep\n"), add(b"deeper\n")),
        wanted("deleted", file(b"deleted\n"), None),
        wanted("renamed-to", None, add(b"moves\n")),
        wanted("renamed-from", file(b"moves\n"), None, needs="renamed-to"),
        wanted("becomes-directory", file(b"was a file\n"), DIRECTORY),
        wanted("becomes-directory/child", None, add(b"child\n")),
        wanted("becomes-file", DIRECTORY, add(b"a file now\n")),
        wanted("becomes-file/inner", file(b"inner\n"), None),
        wanted("made/up/of/new", None, add(b"added\n", 0o755)),
        wanted("link", link("untouched"), link("d/plain")),
        wanted("empty", None, DIRECTORY),
    )
