# SPDX-License-Identifier: Apache-2.0
"""Where generations are kept: numbered, immutable, counted by who needs them.

ROOT/held/SESSION             names the generation that a session works on
ROOT/WORKSPACE/lock           held while a generation is made or collected
ROOT/WORKSPACE/gN/            a generation; gN.part while it is made, gN.trash while it goes
ROOT/WORKSPACE/gN.manifest    written last: without it the generation is none
ROOT/WORKSPACE/gN.lease       locked by a process that took it and doesn't hold it yet
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bbox_server.infra.workspace import manifest
from bbox_server.infra.workspace.manifest import Manifest, ManifestDamagedError

# Traversable, not readable: the sandbox uid must reach its generations (ARCHITECTURE.md).
DIRECTORY_MODE: Final = 0o711
_GENERATION: Final = re.compile(r"g([0-9]+)")
_SESSION: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")


class WorkspaceStore:
    """The generations of one workspace."""

    def __init__(self, root: Path, workspace: str) -> None:
        self.path = root / hashlib.sha256(os.fsencode(workspace)).hexdigest()[:16]

    @classmethod
    def at(cls, path: Path) -> "WorkspaceStore":
        """The store in a directory that exists."""
        store = cls.__new__(cls)
        store.path = path
        return store

    def create(self) -> None:
        """Make the directory."""
        self.path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    @contextmanager
    def try_lock(self) -> Iterator[bool]:
        """Hold the workspace's lock, or learn that another process does."""
        fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(fd)

    def sweep(self) -> None:
        """Remove what a process left that was killed while it made or removed a generation."""
        for entry in sorted(self.path.iterdir()):
            is_incomplete = (
                _GENERATION.fullmatch(entry.name) and not self.manifest_of(entry).is_file()
            )
            if entry.suffix in (".part", ".trash") or is_incomplete:
                _remove(entry)
            elif entry.suffix in (".manifest", ".lease") and not entry.with_suffix("").is_dir():
                entry.unlink()

    def generations(self) -> list[Path]:
        """Complete generations, the newest last."""
        found = [
            entry
            for entry in self.path.iterdir()
            if _GENERATION.fullmatch(entry.name) and self.manifest_of(entry).is_file()
        ]
        return sorted(found, key=lambda entry: int(entry.name[1:]))

    def newest(self) -> tuple[Path, Manifest] | None:
        """The newest generation whose manifest is whole."""
        for generation in reversed(self.generations()):
            with suppress(ManifestDamagedError, OSError):
                return generation, manifest.read(self.manifest_of(generation))
        return None

    def next_generation(self) -> Path:
        """Where the next one will be."""
        numbers = [
            int(found[1])
            for entry in self.path.iterdir()
            if (found := _GENERATION.match(entry.name))
        ]
        return self.path / f"g{max(numbers, default=0) + 1}"

    def publish(self, generation: Path, content: Manifest) -> None:
        """Make a finished `gN.part` the generation: from here on it doesn't change."""
        self.write_manifest(generation, content)
        generation.with_name(f"{generation.name}.part").rename(generation)

    def write_manifest(self, generation: Path, content: Manifest) -> None:
        """Replace a manifest; readers see the old or the new one."""
        path = self.manifest_of(generation)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(manifest.dump(content))
        part.chmod(0o600)
        part.replace(path)

    @staticmethod
    def manifest_of(generation: Path) -> Path:
        """Where a generation's manifest is."""
        return generation.with_name(f"{generation.name}.manifest")

    def collect(self, needed: frozenset[str]) -> None:
        """Remove generations that are not the newest and that nobody holds or is about to hold.

        The caller holds the lock.

        Args:
            needed: Names of generations that sessions hold.
        """
        for generation in self.generations()[:-1]:
            if generation.name not in needed:
                with lease(generation, exclusive=True) as is_ours:
                    if is_ours:
                        self._discard(generation)

    def _discard(self, generation: Path) -> None:
        trash = generation.with_name(f"{generation.name}.trash")
        generation.rename(trash)
        self.manifest_of(generation).unlink(missing_ok=True)
        generation.with_name(f"{generation.name}.lease").unlink(missing_ok=True)
        _remove(trash)


@contextmanager
def lease(generation: Path, *, exclusive: bool) -> Iterator[bool]:
    """Keep a generation from being collected, or learn whether somebody does."""
    fd = take_lease(generation, exclusive=exclusive)
    try:
        yield fd >= 0
    finally:
        if fd >= 0:
            os.close(fd)


def take_lease(generation: Path, *, exclusive: bool) -> int:
    """A descriptor that is the lease, or -1 when somebody else's is in the way."""
    path = generation.with_name(f"{generation.name}.lease")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return -1
    return fd


class Holds:
    """Which session needs which generation."""

    def __init__(self, root: Path) -> None:
        self._path = root / "held"
        self._root = root

    def add(self, session: str, generation: Path) -> None:
        """Note it; a session holds one generation."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        note = self._note(session)
        part = note.with_name(f".{note.name}.part")
        part.write_text(f"{generation.parent.name}/{generation.name}")
        part.replace(note)

    def remove(self, session: str) -> Path | None:
        """Forget it, and give the store of its workspace."""
        note = self._note(session)
        with suppress(FileNotFoundError):
            held = note.read_text()
            note.unlink()
            return self._root / held.partition("/")[0]
        return None

    def of(self, store: Path) -> frozenset[str]:
        """Names of the generations of a workspace that sessions hold."""
        held: set[str] = set()
        with suppress(FileNotFoundError):
            for note in self._path.iterdir():
                if not note.name.startswith("."):
                    workspace, _, generation = note.read_text().partition("/")
                    held.add(generation if workspace == store.name else "")
        return frozenset(held)

    def _note(self, session: str) -> Path:
        if not _SESSION.fullmatch(session):
            msg = f"not a session's name: {session!r}"
            raise ValueError(msg)
        return self._path / session


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
