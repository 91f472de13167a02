# SPDX-License-Identifier: Apache-2.0
"""The walk of a workspace: what goes into a snapshot, and what stays out and why."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.excludes import Hidden, HideTier, PathMatcher
from bbox_server.domain.plan import FLUSH_PREFIX
from bbox_server.infra.workspace.beneath import DIRECTORY_FLAGS
from bbox_server.infra.workspace.git_layout import (
    GIT_NAME,
    GitZone,
    is_dropped,
    looks_like_git_directory,
    zone_below,
)
from bbox_server.infra.workspace.limits import WALK_LIMITS, TreeLimits
from bbox_server.infra.workspace.tracked import TrackedFiles
from bbox_server.infra.workspace.tree import Row, Tree, is_directory, is_file, is_link, joined

_KINDS: Final = {
    stat.S_IFIFO: "a fifo",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}

_TYPE: Final = 0o170000
_REGULAR: Final = stat.S_IFREG


class Repositories(Protocol):
    """What is known of the workspace's repositories."""

    def find(self, path: str, *, is_directory: bool) -> TrackedFiles | None:
        """The index of the work tree in a directory, given whether its `.git` is one."""
        ...

    def keeps_worktree(self, git_dir: str) -> bool:
        """Whether a directory that git keeps for a linked worktree is taken."""
        ...


@dataclass(slots=True)
class WalkResult:
    """A workspace as it was found.

    Attributes:
        zones: Git directories, and directories of reflogs in them, by path.
        origins: Where files come from that are not of the workspace, by path.
        skipped: What could not be taken, one line each.
    """

    tree: Tree = field(default_factory=Tree)
    zones: dict[str, GitZone] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    excluded: int = 0
    secret: int = 0
    skipped: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Frame:
    """A directory that is being walked.

    Attributes:
        fd: Ours to close.
        matcher: None below `.git`, where names are git's and not the user's.
        tracked: The index of the work tree that it belongs to.
        tracked_only: It is excluded: only tracked files enter all the same (P-08).
        inner: Names of directories to go into, and whether only for tracked files.
    """

    fd: int
    path: str
    matcher: PathMatcher | None
    tracked: TrackedFiles | None
    zone: GitZone
    tracked_only: bool
    rows: list[Row] = field(default_factory=list)
    inner: list[tuple[str, bool]] = field(default_factory=list)
    pending: Iterator[tuple[str, bool]] = field(default_factory=lambda: iter(()))


class WorkspaceWalk:
    """One walk. It opens every directory from its parent's descriptor and follows no link."""

    def __init__(
        self,
        *,
        repositories: Repositories | None = None,
        known: Tree | None = None,
        private: frozenset[tuple[int, int]] = frozenset(),
        limits: TreeLimits = WALK_LIMITS,
        advance: Callable[[int], None] = lambda _entries: None,
    ) -> None:
        """Prepare a walk.

        Args:
            repositories: Asked where there is a `.git`; without it nothing is tracked.
            known: What a walk with the same rules has found before.
            private: Device and inode of directories of ours, which are no part of a workspace.
            limits: Where it stops.
            advance: Told the number of entries so far, after each directory.
        """
        self._repositories = repositories
        self._known = known or Tree()
        self._private = private
        self._limits = limits
        self._advance = advance
        self._entries = 0
        self._result = WalkResult()

    def run(self, root_fd: int, matcher: PathMatcher) -> WalkResult:
        """Walk everything below a directory, whose descriptor stays the caller's.

        Raises:
            BboxError: snapshot.limit.
            OSError: The root can't be listed.
        """
        frames = [_Frame(os.dup(root_fd), "", matcher, None, GitZone.OUTSIDE, tracked_only=False)]
        try:
            self._scan(frames[0])
            while frames:
                self._step(frames)
        finally:
            for frame in frames:
                os.close(frame.fd)
        return self._result

    def _step(self, frames: list[_Frame]) -> None:
        following = next(frames[-1].pending, None)
        if following is None:
            os.close(frames.pop().fd)
            return
        name, tracked_only = following
        path = joined(frames[-1].path, name)
        try:
            self._check_depth(path, len(frames))
            frames.append(self._enter(frames[-1], name, path, tracked_only=tracked_only))
            self._scan(frames[-1])
        except OSError as error:
            # The directory itself is there for the guest, empty.
            self._result.tree.rows.setdefault(path, [])
            self._result.skipped.append(f"{path}/: {error.strerror}")

    def _check_depth(self, path: str, depth: int) -> None:
        if depth >= self._limits.depth or len(os.fsencode(path)) > self._limits.path_bytes:
            raise OSError(0, "too many directories in one another")

    def _enter(self, above: _Frame, name: str, path: str, *, tracked_only: bool) -> _Frame:
        zone, matcher = above.zone, above.matcher
        if zone is not GitZone.OUTSIDE:
            zone = zone_below(zone, name)
        elif name == GIT_NAME:
            zone, matcher = GitZone.TOP, None
        fd = os.open(name, DIRECTORY_FLAGS, dir_fd=above.fd)
        below = None if matcher is None else matcher.below(name)
        return _Frame(fd, path, below, above.tracked, zone, tracked_only)

    def _scan(self, frame: _Frame) -> None:
        with os.scandir(frame.fd) as listing:
            entries = list(listing)
        self.count(len(entries))
        is_git = self._note_git(frame, entries)
        known = {} if frame.tracked_only else self._known_files(frame.path)
        rows = frame.rows
        for entry in entries:
            name = entry.name
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError as error:
                self._miss(frame, name, error)
                continue
            # Nothing can hide a file by its name alone that the same rules have let in before:
            # most files of most walks end here.
            if name in known and status.st_mode & _TYPE == _REGULAR:
                rows.append(row_of(name, status))
            elif not (is_git and is_dropped(name, is_directory=is_directory(status.st_mode))):
                self._consider(frame, name, status)
        rows.sort()
        self._result.tree.rows[frame.path] = rows
        frame.pending = iter(sorted(frame.inner))

    def _known_files(self, path: str) -> set[str]:
        return {row[0] for row in self._known.rows.get(path, ()) if row[1] & _TYPE == _REGULAR}

    def _miss(self, frame: _Frame, name: str, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self._skip(frame, name, str(error.strerror))

    def count(self, entries: int) -> None:
        """Add entries to what was seen so far. Raises: snapshot.limit."""
        self._entries += entries
        self._advance(self._entries)
        if self._entries > self._limits.entries:
            raise BboxError(
                ErrorCode.SNAPSHOT_LIMIT,
                cause=f"There are more than {self._limits.entries} files in it.",
                remediation="Name large directories in .broodboxignore, or choose a smaller one.",
            )

    def _note_git(self, frame: _Frame, entries: list[os.DirEntry[str]]) -> bool:
        if frame.zone is GitZone.LOGS:
            self._result.zones[frame.path] = GitZone.LOGS
            return False
        names = {entry.name for entry in entries}
        if frame.zone is GitZone.TOP or looks_like_git_directory(names):
            self._result.zones[frame.path] = frame.zone = GitZone.TOP
            self._result.tree.git_directories.append(frame.path)
            return True
        if GIT_NAME in names and not frame.tracked_only:
            is_inner = any(
                entry.name == GIT_NAME and entry.is_dir(follow_symlinks=False) for entry in entries
            )
            if self._repositories is not None:
                frame.tracked = self._repositories.find(frame.path, is_directory=is_inner)
        return False

    def _consider(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        if name.casefold().startswith(FLUSH_PREFIX):
            return  # of a flush that goes on at this moment
        is_inner = is_directory(status.st_mode)
        hidden = None
        if frame.matcher is not None:
            hidden = frame.matcher.hidden(name, is_directory=is_inner)
        tracked_only = hidden is not None or frame.tracked_only
        if tracked_only and not self._enters(frame, name, hidden, is_directory=is_inner):
            return
        if is_inner:
            self._take_directory(frame, name, status, tracked_only=tracked_only)
        else:
            self._take(frame, name, status)

    def _enters(
        self, frame: _Frame, name: str, hidden: Hidden | None, *, is_directory: bool
    ) -> bool:
        """Whether an excluded entry enters because git tracks it, or something below it."""
        path = joined(frame.path, name)
        tracked = _tracked_at(frame.tracked, path, is_directory=is_directory)
        if hidden is None or hidden.tier is HideTier.PERFORMANCE:
            self._result.excluded += not tracked
            return bool(tracked)
        if hidden.tier is HideTier.SECURITY:
            self._result.secret += 1
        else:
            self._result.excluded += 1
        if frame.tracked is not None and frame.tracked.git_dir is not None:
            left_out = self._result.tree.skip_worktree
            left_out.setdefault(frame.tracked.git_dir, []).extend(
                frame.tracked.relative(each) for each in tracked
            )
        return False

    def _take(self, frame: _Frame, name: str, status: os.stat_result) -> None:
        if is_link(status.st_mode):
            try:
                link = os.readlink(name, dir_fd=frame.fd)
            except OSError as error:
                self._miss(frame, name, error)
                return
            self._result.tree.links[joined(frame.path, name)] = link
        elif not is_file(status.st_mode):
            self._skip(frame, name, _KINDS.get(stat.S_IFMT(status.st_mode), "no regular file"))
            return
        frame.rows.append(row_of(name, status))

    def _take_directory(
        self, frame: _Frame, name: str, status: os.stat_result, *, tracked_only: bool
    ) -> None:
        if (status.st_dev, status.st_ino) in self._private:
            return
        if frame.zone is GitZone.WORKTREES and not self._keeps(joined(frame.path, name)):
            return
        frame.rows.append((name, status.st_mode, 0, 0, 0, 0))
        frame.inner.append((name, tracked_only))

    def _keeps(self, git_dir: str) -> bool:
        return self._repositories is None or self._repositories.keeps_worktree(git_dir)

    def _skip(self, frame: _Frame, name: str, reason: str) -> None:
        self._result.skipped.append(f"{joined(frame.path, name)}: {reason}")


def row_of(name: str, status: os.stat_result) -> Row:
    """The row of a file or link."""
    return (
        name,
        status.st_mode,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_ino,
    )


def _tracked_at(tracked: TrackedFiles | None, path: str, *, is_directory: bool) -> tuple[str, ...]:
    if tracked is None:
        return ()
    if is_directory:
        return tracked.below(path)
    return (path,) if tracked.contains(path) else ()
