# SPDX-License-Identifier: Apache-2.0
"""The directory of a generation: links to the one before, copies of what changed."""

import errno
import os
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from bbox_server.domain.git import GitRepositories
from bbox_server.infra.process.sandbox_user import SandboxUser
from bbox_server.infra.workspace.beneath import (
    DIRECTORY_FLAGS,
    NotRegularError,
    digest_of,
    open_directory_beneath,
)
from bbox_server.infra.workspace.copying import PERMISSIONS, Copier
from bbox_server.infra.workspace.git_layout import GitZone, Transform, transform_of
from bbox_server.infra.workspace.tree import Row, Tree, is_directory, is_file, joined
from bbox_server.infra.workspace.walk import row_of

_OWNER_ALL: Final = 0o700
# A directory that the owner could not enter could not be shared, nor deleted again.
_CANT_LINK: Final = frozenset({errno.EMLINK, errno.EXDEV, errno.EPERM, errno.ENOENT})
_UNREADABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ESTALE})
_GONE: Final = frozenset({errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENOTDIR})


@dataclass(slots=True)
class Source:
    """A workspace that was walked.

    Attributes:
        fd: Of its root; the caller's.
        zones: What is a git directory in it.
        origins: Where files come from that lie elsewhere, by path.
        texts: What stands for a file's own content, by path.
    """

    fd: int
    tree: Tree
    zones: dict[str, GitZone]
    origins: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)

    def open_directory(self, path: str, name: str) -> int:
        """The directory that a file is read from; the caller closes it."""
        origin = self.origins.get(joined(path, name))
        if origin is not None:
            return os.open(origin.rpartition("/")[0], DIRECTORY_FLAGS)
        return open_directory_beneath(self.fd, PurePosixPath(path)) if path else os.dup(self.fd)


@dataclass(slots=True)
class Previous:
    """The generation before: rows that are the same have the same content there.

    Attributes:
        root: None for the first generation.
        fresh: Paths to copy although their rows are the same.
    """

    root: str | None = None
    tree: Tree = field(default_factory=Tree)
    fresh: frozenset[str] = frozenset()


@dataclass(slots=True)
class GenerationBuilder:
    """Fills a directory of ours. Nobody looks at it before it is renamed to its place."""

    target: str
    source: Source
    previous: Previous
    git: GitRepositories
    owner: SandboxUser | None
    advance: Callable[[int], None] = lambda _copied: None
    copied: int = 0

    def build(self) -> None:
        """Make everything; the source's rows become those of the files as they were read.

        Raises:
            OSError: The target can't be written: no space, above all.
            BboxError: dependency.missing, when git is needed and not there.
        """
        copier = Copier(self.owner)
        os.mkdir(self.target, _OWNER_ALL)  # noqa: PTH102 - strings throughout, for speed
        self._own(self.target)
        for path in self.source.tree.rows:
            with closing_fd(_directory(self.target, path)) as target_fd:
                waiting = self._fill(path, target_fd)
                if waiting:
                    self._copy(path, waiting, target_fd, copier)

    def _fill(self, path: str, target_fd: int) -> list[int]:
        """Make directories and links; give the indexes of files that must be copied."""
        tree = self.source.tree
        waiting: list[int] = []
        with self._previous_directory(path) as (previous_fd, known):
            for index, row in enumerate(tree.rows[path]):
                if is_file(row[1]):
                    place = joined(path, row[0])
                    if place in tree.absent:
                        continue
                    if row not in known or not self._link(place, row[0], previous_fd, target_fd):
                        waiting.append(index)
                elif is_directory(row[1]):
                    self._make_directory(row, target_fd)
                else:
                    os.symlink(tree.links[joined(path, row[0])], row[0], dir_fd=target_fd)
                    self._own(row[0], target_fd)
        return waiting

    @contextmanager
    def _previous_directory(self, path: str) -> Iterator[tuple[int, Container[Row]]]:
        rows = self.previous.tree.rows.get(path)
        if rows is None or self.previous.root is None:
            yield -1, ()
            return
        with closing_fd(_directory(self.previous.root, path)) as fd:
            yield fd, frozenset(rows)

    def _link(self, place: str, name: str, previous_fd: int, target_fd: int) -> bool:
        if place in self.previous.fresh:
            return False
        try:
            os.link(name, name, src_dir_fd=previous_fd, dst_dir_fd=target_fd, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _CANT_LINK:
                raise
            return False
        if place in self.previous.tree.sources:
            self.source.tree.sources[place] = self.previous.tree.sources[place]
        return True

    def _make_directory(self, row: Row, target_fd: int) -> None:
        os.mkdir(row[0], _OWNER_ALL, dir_fd=target_fd)
        self._own(row[0], target_fd)
        os.chmod(row[0], row[1] & PERMISSIONS | _OWNER_ALL, dir_fd=target_fd)

    def _copy(self, path: str, waiting: list[int], target_fd: int, copier: Copier) -> None:
        rows = self.source.tree.rows[path]
        zone = self.source.zones.get(path)
        gone: set[int] = set()
        for index, source_fd in self._sources(path, waiting, gone):
            name = rows[index][0]
            transform = self._transform(zone, path, name)
            try:
                rows[index] = row_of(name, copier.copy(source_fd, name, target_fd, transform))
            except OSError as error:
                self._remove(name, target_fd)
                if not self._explain(joined(path, name), error):
                    gone.add(index)
            else:
                self.copied += 1
        if gone:
            kept = [row for index, row in enumerate(rows) if index not in gone]
            self.source.tree.rows[path] = kept
        self.advance(self.copied)

    def _sources(self, path: str, waiting: list[int], gone: set[int]) -> Iterator[tuple[int, int]]:
        """Each index with its directory's descriptor; where there is none any more, into `gone`."""
        opened: dict[str, int] = {}
        try:
            for index in waiting:
                name = self.source.tree.rows[path][index][0]
                origin = ""
                if self.source.origins:  # in most workspaces there are none, and many files
                    origin = self.source.origins.get(joined(path, name), "").rpartition("/")[0]
                try:
                    if origin not in opened:
                        opened[origin] = self.source.open_directory(path, name)
                except OSError:
                    gone.add(index)
                    continue
                yield index, opened[origin]
        finally:
            for fd in opened.values():
                os.close(fd)

    def _transform(self, zone: GitZone | None, path: str, name: str) -> Transform | None:
        text = self.source.texts.get(joined(path, name)) if self.source.texts else None
        transform = transform_of(zone, name, self.git) if zone is not None else None
        if text is not None:
            transform = lambda _content: text  # noqa: E731 - the other branch's value is a function
        if transform is None:
            return None

        def noted(content: bytes) -> bytes:
            self.source.tree.sources[joined(path, name)] = digest_of(content)
            return transform(content)

        return noted

    def _explain(self, place: str, error: OSError) -> bool:
        """Whether a file that was not copied is known to be there."""
        if error.errno in _UNREADABLE:
            self.source.tree.absent[place] = str(error.strerror)
            return True
        if isinstance(error, NotRegularError) or error.errno in _GONE:
            return False
        raise error

    def _remove(self, name: str, target_fd: int) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=target_fd)

    def _own(self, name: str, directory_fd: int | None = None) -> None:
        if self.owner is not None:
            os.chown(
                name,
                self.owner.uid,
                self.owner.gid,
                dir_fd=directory_fd,
                follow_symlinks=False,
            )


@contextmanager
def closing_fd(fd: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


def _directory(root: str, path: str) -> int:
    return os.open(f"{root}/{path}" if path else root, DIRECTORY_FLAGS)
