# SPDX-License-Identifier: Apache-2.0
"""Refs and objects in the git directories that the agent wrote (ADR 0131)."""

import os
import posixpath
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Final

from typing_extensions import override

from bbox_server.domain.agent_git import AgentGit, AgentObject, AgentRefs, GivenRepository
from bbox_server.domain.change import Side
from bbox_server.domain.commit import (
    BRANCH_LIMIT,
    DETACHED,
    CommitId,
    is_branch_name,
    is_commit_id,
)
from bbox_server.domain.error import BboxError, ErrorCode
from bbox_server.domain.escape import escape_text
from bbox_server.domain.git import GitRepositories
from bbox_server.domain.workspace import HostPath, WorkspacePath
from bbox_server.infra.workspace.baselines import WorkspaceStore
from bbox_server.infra.workspace.beneath import (
    open_directory,
    open_directory_beneath,
    read_beneath,
)
from bbox_server.infra.workspace.git_layout import GIT_NAME
from bbox_server.infra.workspace.limits import TreeLimits
from bbox_server.infra.workspace.manifest import ManifestDamagedError, read
from bbox_server.infra.workspace.overlay import OverlayPlace
from bbox_server.infra.workspace.sides import SideReader
from bbox_server.infra.workspace.tree import Tree
from bbox_server.infra.workspace.upper import Descent, Upper, UpperKind, UpperWalk
from bbox_server.infra.workspace.upper_directory import open_upper

_HEADS: Final = PurePosixPath("refs/heads")
_PACKED: Final = PurePosixPath("packed-refs")
_OBJECTS: Final = PurePosixPath("objects")
_REF_BYTES: Final = 512
_PACKED_BYTES: Final = 16 << 20
_REF_LIMITS: Final = TreeLimits(entries=20_000, depth=32)
_OBJECT_LIMITS: Final = TreeLimits(entries=500_000, depth=4)
_SYMBOLIC: Final = "ref:"

OBJECT_LIMIT_BYTES: Final = 256 << 20
"""A larger file of the agent's objects is refused: nobody reviews such a commit."""

OBJECTS_LIMIT_BYTES: Final = 1 << 30
"""Of all of them together, as they are on the disk."""


@dataclass(frozen=True, slots=True)
class _Sides:
    """Both directories, opened."""

    reader: SideReader
    upper_fd: int

    def text(self, side: Side, path: WorkspacePath, limit_bytes: int = _REF_BYTES) -> str:
        """A file as text; empty where there is none, or where it is too large to be one of git's.

        A name that is no UTF-8 stays what it is, by surrogates.
        """
        try:
            content = replace(self.reader, limit_bytes=limit_bytes).read(side, path)
        except BboxError:
            return ""
        return os.fsdecode(content)

    def has_directory(self, path: WorkspacePath) -> bool:
        """Whether the agent changed anything in a directory that is still one."""
        try:
            os.close(open_directory_beneath(self.upper_fd, path))
        except OSError:
            return False
        return True

    def below(self, directory: WorkspacePath, limits: TreeLimits) -> Upper:
        """All that the agent has in a directory."""
        try:
            fd = open_directory_beneath(self.upper_fd, directory)
        except OSError:
            return Upper()
        try:
            return UpperWalk(lambda _path, _names: Descent.LIST, limits).run(fd)
        finally:
            os.close(fd)


class OverlayGit(AgentGit):
    """The git directories of one session's overlay."""

    def __init__(self, *, place: OverlayPlace, git: GitRepositories) -> None:
        """Nothing is opened before it is needed.

        Args:
            place: Its directories.
            git: To read the settings of the generation.
        """
        self._place = place
        self._git = git

    @override
    def repositories(self) -> tuple[GivenRepository, ...]:
        return self._repositories

    @override
    def refs(self, repository: GivenRepository) -> AgentRefs:
        given = _given_names(self._tree, repository)
        with self._sides() as sides:
            if not sides.has_directory(repository.inner):
                return AgentRefs()
            before = _branches(sides, Side.BASELINE, repository, given)
            names = given | _agent_names(sides, repository)
            after = _branches(sides, Side.AGENT, repository, names)
            head_before, head = (
                sides.text(side, repository.inner / DETACHED).strip()
                for side in (Side.BASELINE, Side.AGENT)
            )
        changed = {name: tip for name, tip in after.items() if before.get(name) != tip}
        known = {head_before, *before.values(), *after.values()}
        good = {name: tip for name, tip in changed.items() if is_branch_name(name)}
        if is_commit_id(head) and head not in known:
            good[DETACHED] = CommitId(head)
        return AgentRefs(
            branches=dict(sorted(good.items())[:BRANCH_LIMIT]),
            refused=tuple(escape_text(name) for name in sorted(changed.keys() - good.keys())),
        )

    @override
    def objects(self, repository: GivenRepository) -> Iterator[AgentObject]:
        left = OBJECTS_LIMIT_BYTES
        with self._sides() as sides:
            objects = repository.inner / _OBJECTS
            for path, entry in sides.below(objects, _OBJECT_LIMITS).entries.items():
                name = _object_name(path)
                if entry.kind is not UpperKind.FILE or name is None:
                    continue
                content = _read(sides.upper_fd, objects / path)
                left -= len(content)
                if left < 0 or len(content) > OBJECT_LIMIT_BYTES:
                    raise _too_large(repository)
                yield AgentObject(name=name, is_pack=path.endswith(".pack"), content=content)

    def _given(self, git_dir: str) -> GivenRepository | None:
        """A repository with a work tree; bare ones are the user's files."""
        inner = PurePosixPath(git_dir)
        host = HostPath(f"{self._place.generation}/{git_dir}")
        if inner.name == GIT_NAME:
            return GivenRepository(work_tree=inner.parent, git_dir=host, inner=inner)
        if GIT_NAME not in inner.parts:
            return None
        try:
            settings = self._git.settings(Path(host, "config").read_bytes())
        except (OSError, BboxError):
            return None
        for setting in settings:
            if (setting.section, setting.key) == ("core", "worktree") and setting.value:
                work_tree = posixpath.normpath(f"{git_dir}/{setting.value}")
                if not work_tree.startswith(("..", "/")):
                    return GivenRepository(
                        work_tree=PurePosixPath(work_tree), git_dir=host, inner=inner
                    )
        return None

    @cached_property
    def _repositories(self) -> tuple[GivenRepository, ...]:
        found = (self._given(path) for path in sorted(self._tree.git_directories))
        return tuple(one for one in found if one is not None)

    @cached_property
    def _tree(self) -> Tree:
        """What the generation holds; it never changes."""
        try:
            return read(WorkspaceStore.manifest_of(Path(self._place.generation))).tree
        except (OSError, ManifestDamagedError) as error:
            raise BboxError(
                ErrorCode.SNAPSHOT_FAILED,
                cause=f"The snapshot at {self._place.generation} is damaged: {error}.",
                remediation="Save what you need from the session's directory, and discard it.",
            ) from error

    @contextmanager
    def _sides(self) -> Iterator[_Sides]:
        with ExitStack() as stack:
            generation_fd = open_directory(self._place.generation)
            stack.callback(os.close, generation_fd)
            upper_fd = open_upper(Path(self._place.upper), self._place.owner)
            stack.callback(os.close, upper_fd)
            reader = SideReader(
                generation_fd=generation_fd, upper_fd=upper_fd, limit_bytes=_REF_BYTES
            )
            yield _Sides(reader, upper_fd)


def _branches(
    sides: _Sides, side: Side, repository: GivenRepository, names: set[str]
) -> dict[str, CommitId]:
    """Branches by name; a file of its own goes before a line of packed-refs."""
    found = packed_branches(sides.text(side, repository.inner / _PACKED, _PACKED_BYTES))
    for name in names:
        text = sides.text(side, repository.inner / _HEADS / name).strip()
        if is_commit_id(text):
            found[name] = CommitId(text)
    return found


def packed_branches(text: str) -> dict[str, CommitId]:
    """The branches of a packed-refs file, by names that nobody has checked yet."""
    found: dict[str, CommitId] = {}
    for line in text.split("\n"):
        tip, _, ref = line.partition(" ")
        if ref.startswith(f"{_HEADS}/") and is_commit_id(tip):
            found[ref.removeprefix(f"{_HEADS}/")] = CommitId(tip)
    return found


def _given_names(tree: Tree, repository: GivenRepository) -> set[str]:
    heads = f"{repository.inner}/{_HEADS}"
    return {path.removeprefix(f"{heads}/") for path in tree.below(heads)}


def _agent_names(sides: _Sides, repository: GivenRepository) -> set[str]:
    found = sides.below(repository.inner / _HEADS, _REF_LIMITS).entries.items()
    return {path for path, entry in found if entry.kind is UpperKind.FILE}


def _object_name(path: str) -> str | None:
    """The object or pack that a file of an object store is for; None for everything else."""
    directory, _, name = path.rpartition("/")
    if directory == "pack" and name.endswith(".pack"):
        return name
    is_loose = len(directory) == 2 and is_commit_id(directory + name)  # noqa: PLR2004 - a byte
    return directory + name if is_loose else None


def _read(upper_fd: int, path: WorkspacePath) -> bytes:
    with suppress(OSError):  # gone meanwhile, or replaced: whoever needs it misses it
        return read_beneath(upper_fd, path, OBJECT_LIMIT_BYTES + 1)
    return b""


def _too_large(repository: GivenRepository) -> BboxError:
    return BboxError(
        ErrorCode.SNAPSHOT_LIMIT,
        cause=f"The new objects in {escape_text(str(repository.inner))} are too large.",
        remediation="Take the files; commit them yourself.",
    )
