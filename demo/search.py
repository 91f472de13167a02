# SPDX-License-Identifier: Apache-2.0
"""Looks for bytes in all that a microVM has: its memory, its disks, its files, its processes.

From the host, where nothing in the guest can hide anything.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

CHUNK_BYTES: Final = 8 << 20
QEMU: Final = "qemu-system"
GUEST_MEMORY: Final = "/memfd:"


@dataclass(slots=True)
class Search:
    """What was looked for, where, and what of it is there.

    Attributes:
        size: Bytes that were looked at; holes of sparse files are none.
        opened: Files of a process that were looked at.
    """

    needles: tuple[str, ...]
    found: set[str] = field(default_factory=set)
    size: int = 0
    opened: int = 0

    def content(self, content: bytes) -> None:
        """Some bytes."""
        self.size += len(content)
        self.found |= {needle for needle in self.needles if needle.encode() in content}

    def descriptors(self, pid: int, target: str) -> None:
        """What a process has open below a name, also where it has no name any more."""
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if str(descriptor.readlink()).startswith(target):
                fd = os.open(descriptor, os.O_RDONLY)
                try:
                    self._extents(fd, _data(fd, os.fstat(fd).st_size))
                finally:
                    os.close(fd)
                self.opened += 1

    def memory(self, pid: int) -> None:
        """A process's own memory; mapped files and what it shares are looked at apart."""
        maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
        ranges = [
            [int(end, 16) for end in words[0].split("-")]
            for words in maps
            if words[1].startswith("rw-p") and words[-1] != "[vvar]"
        ]
        fd = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        try:
            self._extents(fd, ((start, end) for start, end in ranges))
        finally:
            os.close(fd)

    def _extents(self, fd: int, extents: Iterable[tuple[int, int]]) -> None:
        overlap = max(map(len, self.needles))
        for start, end in extents:
            for offset in range(start, end, CHUNK_BYTES):
                length = min(CHUNK_BYTES + overlap, end - offset)
                with suppress(OSError):  # a page that can't be read, as of a guard
                    self.content(os.pread(fd, length, offset))


def qemu_of(session: Path) -> int:
    """The pid of the QEMU that has files of a session's directory open. Raises: LookupError."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if QEMU in (process / "cmdline").read_bytes().decode(errors="replace"):
                links = [str(one.readlink()) for one in (process / "fd").iterdir()]
                if any(link.startswith(f"{session}/") for link in links):
                    return int(process.name)
    raise LookupError(session)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    end = 0
    with suppress(OSError):  # ENXIO: only a hole is left
        while end < size:
            start = os.lseek(fd, end, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
            yield start, end
